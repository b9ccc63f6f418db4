/** `pedrera doctor`, as data. What it does is loaded when it runs. */
import { defineCommand, flag } from '../command.js';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'say what this build supports, what this machine allows, and what to do about a lack',
  details:
    'Counts what is exact, functional and refused, and lists what is refused with its errno; tries what the daemon needs of the ' +
    'machine; says whether a daemon runs. Needs no daemon. Ends with 1 if something essential is missing.',
  options: { json: flag('print JSON') },
  example: { line: 'pedrera doctor', meaning: 'The first thing to run on a new machine.' },
  async run(context) {
    const { runDoctor } = await import('../doctor/doctor.js');
    return runDoctor(context);
  },
});
