/** Failover between directors: mastership follows forwarding, keepalived speaks VRRP (docs/failover.md, ADR 34). */

export { lackText, leaveVips, areTaken, type LeftVip, nobodyTookOver } from './leave.js';
export { Mastership } from './mastership.js';
export { type KeptMastership, keptMastershipFormat } from './store.js';
