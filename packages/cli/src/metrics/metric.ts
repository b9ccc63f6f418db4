/**
 * What a metric is: data, and a function that reads it off a snapshot.
 *
 * Owns: the kinds. Must not know: any single metric, nor the text they end up in.
 */
import type { DeviceSection, Snapshot } from '@pedrera/uapi';

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export interface Distribution {
  readonly labels: Readonly<Record<string, string | number>>;
  /** Of DeviceSection.durations. */
  readonly counts: readonly number[];
  readonly sumNs: number;
}

interface MetricText {
  /** With its unit, a base unit: seconds, bytes. A counter's ends with _total. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

export interface NumberMetric extends MetricText {
  readonly type: 'counter' | 'gauge';
  read(snapshot: Snapshot): readonly Sample[];
}

/** In seconds. */
export interface DurationMetric extends MetricText {
  readonly type: 'histogram';
  read(snapshot: Snapshot): readonly Distribution[];
}

export type Metric = NumberMetric | DurationMetric;

interface NumberText {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
}

/** A value of the daemon itself. */
export function ofDaemon(text: NumberText, value: (snapshot: Snapshot) => number): NumberMetric {
  return { ...text, labels: [], read: (snapshot) => [{ labels: {}, value: value(snapshot) }] };
}

/** A value of each device. */
export function ofDevice(text: NumberText, value: (device: DeviceSection) => number): NumberMetric {
  return {
    ...text,
    labels: ['device'],
    read: ({ devices = [] }) => devices.map((device) => ({ labels: { device: device.index }, value: value(device) })),
  };
}
