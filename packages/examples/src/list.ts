/** THE list of examples: the file's name, and what it shows. */
export const EXAMPLES: Readonly<Record<string, string>> = {
  'share-a-buffer': 'two processes on two devices share memory, which outlives its exporter',
  pipeline: 'three stages over three devices, synchronised only in the command streams',
  'all-reduce': 'a ring of four devices sums f32 vectors, with collective waits',
  crash: 'a producer dies, and those who wait for it notice',
  signals: 'three producers and four consumers in one graph, with encapsulated signals',
};
