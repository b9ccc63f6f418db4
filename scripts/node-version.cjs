/**
 * The one sentence a user of too old a Node sees. Written so that any Node from 6 on can parse it; it must stay free of
 * newer syntax and of dependencies, because it runs before anything else does.
 */
'use strict';

/**
 * @param {string} current such as '18.20.4'
 * @returns {string | null} what to tell the user, or null when `current` will do
 */
module.exports = function nodeComplaint(current) {
  const have = current.split('.').map(Number);
  const need = require('../package.json').engines.node.replace('>=', '').split('.').map(Number);
  for (let i = 0; i < need.length; i += 1) {
    const difference = Number(have[i]) - Number(need[i]);
    if (difference > 0) return null;
    if (difference < 0) {
      return `Pedrera needs Node.js ${need.join('.')} or newer, and this is ${current}: https://nodejs.org/`;
    }
  }
  return null;
};
