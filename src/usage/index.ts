/** Manual pages and shell completion, made from the definitions of the commands. Knows commander, but no command. */

export { commandPages, type Page, type ManualDetails } from './command-page.js';
export { complete, type Completion } from './complete.js';
export {
  completes,
  define,
  endsAs,
  exitsWith,
  withExamples,
  withSection,
  type Candidate,
  type Definition,
  type Given,
  type Section,
  type Source,
} from './definition.js';
export { filePage, type JsonSchema } from './file-page.js';
export { question, reply, SHELLS, type Question, type Shell } from './reply.js';
export { completionScript } from './scripts.js';
