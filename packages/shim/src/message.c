/* msgpack, as far as the protocol uses it (docs/wire.md). Owns the spelling of values; must not know what they mean. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 4

void pd_begin(struct pd_writer *w) {
  w->bytes = w->small;
  w->room = sizeof w->small;
  w->length = HEADER;
}

void pd_end(struct pd_writer *w) {
  if (w->bytes != w->small) {
    free(w->bytes);
  }
}

static uint8_t *more(struct pd_writer *w, size_t size) {
  if (w->length + size > w->room) {
    size_t room = 2 * (w->length + size);
    uint8_t *bytes = malloc(room);
    if (bytes == NULL) {
      abort();
    }
    memcpy(bytes, w->bytes, w->length);
    pd_end(w);
    w->bytes = bytes;
    w->room = room;
  }
  uint8_t *at = w->bytes + w->length;
  w->length += size;
  return at;
}

static void put(struct pd_writer *w, uint8_t token, uint64_t value, int size) {
  uint8_t *at = more(w, 1 + (size_t)size);
  *at = token;
  for (int i = 0; i < size; i++) {
    at[1 + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
  }
}

void pd_put_array(struct pd_writer *w, uint32_t count) {
  put(w, 0xdc, count, 2);
}

/* A whole number below 2^53. Beyond 32 bits it is spelled as a double: the 64-bit tokens stand for 64-bit fields. */
void pd_put_number(struct pd_writer *w, uint64_t value) {
  if (value < 0x80) {
    put(w, (uint8_t)value, 0, 0);
  } else if (value <= 0xffffffff) {
    put(w, 0xce, value, 4);
  } else {
    double as_double = (double)value;
    uint64_t bits;
    memcpy(&bits, &as_double, 8);
    put(w, 0xcb, bits, 8);
  }
}

void pd_put_signed(struct pd_writer *w, int32_t value) {
  if (value < 0) {
    put(w, 0xd2, (uint32_t)value, 4);
  } else {
    pd_put_number(w, (uint64_t)value);
  }
}

void pd_put_u64(struct pd_writer *w, uint64_t value) {
  put(w, value >> 63 ? 0xcf : 0xd3, value, 8);
}

void pd_put_nil(struct pd_writer *w) {
  put(w, 0xc0, 0, 0);
}

void pd_put_text(struct pd_writer *w, const char *text) {
  size_t size = strlen(text);
  if (size < 32) {
    put(w, (uint8_t)(0xa0 | size), 0, 0);
  } else {
    put(w, 0xda, size, 2);
  }
  memcpy(more(w, size), text, size);
}

void pd_put_bytes(struct pd_writer *w, const void *bytes, size_t size) {
  put(w, 0xc6, size, 4);
  if (size > 0) {
    memcpy(more(w, size), bytes, size);
  }
}

const uint8_t *pd_frame(struct pd_writer *w, size_t *size) {
  uint32_t body = (uint32_t)(w->length - HEADER);
  for (int i = 0; i < HEADER; i++) {
    w->bytes[i] = (uint8_t)(body >> (8 * i));
  }
  *size = w->length;
  return w->bytes;
}

static uint64_t take(struct pd_reader *r, size_t size) {
  if ((size_t)(r->end - r->at) < size) {
    r->bad = true;
    r->at = r->end;
    return 0;
  }
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) {
    value = value << 8 | *r->at++;
  }
  return value;
}

uint32_t pd_get_array(struct pd_reader *r) {
  uint8_t token = (uint8_t)take(r, 1);
  if ((token & 0xf0) == 0x90) {
    return token & 0x0f;
  }
  if (token == 0xdc || token == 0xdd) {
    return (uint32_t)take(r, token == 0xdc ? 2 : 4);
  }
  r->bad = true;
  return 0;
}

uint64_t pd_get_number(struct pd_reader *r) {
  uint8_t token = (uint8_t)take(r, 1);
  if (token < 0x80) {
    return token;
  }
  if (token >= 0xe0) {
    return (uint64_t)(int64_t)(int8_t)token;
  }
  switch (token) {
    case 0xcc: return take(r, 1);
    case 0xcd: return take(r, 2);
    case 0xce: return take(r, 4);
    case 0xcf: return take(r, 8);
    case 0xd0: return (uint64_t)(int64_t)(int8_t)take(r, 1);
    case 0xd1: return (uint64_t)(int64_t)(int16_t)take(r, 2);
    case 0xd2: return (uint64_t)(int64_t)(int32_t)take(r, 4);
    case 0xd3: return take(r, 8);
    case 0xcb: {
      uint64_t bits = take(r, 8);
      double value;
      memcpy(&value, &bits, 8);
      return (uint64_t)value;
    }
    default:
      r->bad = true;
      return 0;
  }
}

const uint8_t *pd_get_bytes(struct pd_reader *r, size_t *size) {
  uint8_t token = (uint8_t)take(r, 1);
  *size = 0;
  if ((token & 0xe0) == 0xa0) {
    *size = token & 0x1f;
  } else {
    switch (token) {
      case 0xc0: return NULL;
      case 0xc4: case 0xd9: *size = take(r, 1); break;
      case 0xc5: case 0xda: *size = take(r, 2); break;
      case 0xc6: case 0xdb: *size = take(r, 4); break;
      default: r->bad = true; return NULL;
    }
  }
  if ((size_t)(r->end - r->at) < *size) {
    r->bad = true;
    *size = 0;
    return NULL;
  }
  const uint8_t *bytes = r->at;
  r->at += *size;
  return bytes;
}

bool pd_at_nil(const struct pd_reader *r) {
  return r->at < r->end && *r->at == 0xc0;
}
