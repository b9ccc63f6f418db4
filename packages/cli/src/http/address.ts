/** Addresses servers here listen on, and how they are spelled. */
import { isIPv6 } from 'node:net';

export interface Address {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** `http://127.0.0.1:9464`. */
export function originOf({ host, port }: Address): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

export const METRICS_PATH = '/metrics';

export function metricsUrl(address: Address): string {
  return `${originOf(address)}${METRICS_PATH}`;
}
