/** The director's host: its VIPs, and its first configuration. */

export { ADDRESS_WAYS, type AddressWay, Host, parseVirtual, type StepReport } from '../steps/index.js';
export { addVips, type AddRequest, listVips, removeVips } from './vip/add.js';
export { type Owner, type Owners, ownersBy, refuseOwned } from './vip/owners.js';
export type { VipPlace, VipReport } from './vip/report.js';
export { type Answers } from './init/answers.js';
export { lookAround } from './init/look.js';
export type { Candidate, Surroundings } from './init/machine.js';
export { type NextStep, nextSteps } from './init/next.js';
export { type Ask, collect, doubts, type Key, type Question } from './init/questions.js';
export { configText } from './init/text.js';
