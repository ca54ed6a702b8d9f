/** The lab: an LVS network of namespaces on one machine. */

export { type Director, Lab, type LabOptions, labNames, requireRoot } from './lab.js';
export { HOSTS, hostNamed, hostsOf, NIC, PAGES, STANDBY, VIP4, VIP6, type Host, type HostName } from './topology.js';
export { inNamespace, run, start } from './command.js';
export { isAlive, type ProcessIdentity, processOf, terminate } from './process.js';
export { Capture } from './capture.js';
export { type Running, runningIn } from './running.js';
