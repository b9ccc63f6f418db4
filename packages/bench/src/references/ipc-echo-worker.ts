/** A process that sends back every message it gets over the channel of child_process. */
import { bindToParent, tellParent } from './worker.js';

bindToParent();
process.on('message', (message) => tellParent(message as object));
tellParent({ ready: true });
