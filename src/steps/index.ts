/** Steps that change a host and can be undone, also after a boot: what they are, what the host has of them, and their record. */

export { addressFiles, type FileOwner } from './address-files.js';
export { ADDRESS_WAYS, type AddressWay, bootFile } from './boot-file.js';
export {
  type Facts,
  type HostAddress,
  type HostLink,
  isDone,
  isSameRule,
  parseAddresses,
  LISTENING,
  parseListeners,
  parseNft,
  parseRoutes,
  parseRules,
} from './facts.js';
export { type Author, originOfFile } from './marker.js';
export { type Place, placeOfLo } from './place.js';
export type { Entry, Purpose, Record_ } from './record.js';
export { bringTo, type Mode, type Outcome, readRecord, type StepReport } from './shell/bring.js';
export { Host, type Machine, type MachineToLookAt, PROGRAM_PATH } from './shell/host.js';
export { lockHost } from './shell/lock.js';
export { NETWORK_FILES, NETWORK_FOLDERS, networkFiles } from './shell/network-files.js';
export { observe } from './shell/observe.js';
export { placeFor } from './shell/places.js';
export { noteOnWay, requireLoopbackProfiles, wayInUse } from './shell/way.js';
export {
  addressOptions,
  type AddressStep,
  assignment,
  cidr,
  type CommandLine,
  commandText,
  deviceOf,
  doing,
  type FileStep,
  isNoSource,
  type LinkStep,
  type NftStep,
  type RuleStep,
  type Step,
  type SysctlStep,
  tableText,
} from './step.js';
export { isUnicast, parseVirtual, prefixOf } from './vip.js';
export { isWishOf, NOTHING, type Wish, withoutVips } from './wish.js';
