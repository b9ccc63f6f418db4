/** How a call failed, as one line that tests compare: errno, then the sentence. */
import { HlError } from '@pedrera/base';

/** `EINVAL: no object has the handle 0x1`. Fails when the call succeeds, or with anything but an HlError. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof HlError) {
      return `${error.code}: ${error.detail ?? ''}`;
    }
    throw error;
  }
  throw new Error('the call succeeded; it should have been refused');
}
