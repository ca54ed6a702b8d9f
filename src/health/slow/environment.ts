/** What the programs of checks are told of what they check. Pure. */

import {
  type AnyServiceKey,
  type Check,
  familyOfService,
  type IpAddress,
  isMarkKey,
  serviceName,
} from '../../model/index.js';

/**
 * Returns the environment of a program that checks a real server. ldirectord gives VIP, port, RIP and port as arguments to an
 * external check, keepalived nothing to a MISC_CHECK. Here they have names. A service of marked packets has a mark in place
 * of VIP and port, as ldirectord's.
 *
 * @param port that of the check: the service's, unless the check has one of its own
 */
export function checkEnvironment(
  service: AnyServiceKey,
  realServer: IpAddress,
  check: Pick<Check, 'type' | 'address'>,
  port: number,
): Record<string, string> {
  return {
    BEELINE_SERVICE: serviceName(service),
    BEELINE_FAMILY: String(familyOfService(service)),
    ...(isMarkKey(service)
      ? { BEELINE_MARK: String(service.mark) }
      : {
          BEELINE_VIP: service.address,
          BEELINE_VIP_PORT: String(service.port),
          BEELINE_PROTOCOL: service.protocol,
        }),
    BEELINE_REAL_SERVER: realServer,
    BEELINE_ADDRESS: check.address ?? realServer,
    BEELINE_PORT: String(port),
    BEELINE_CHECK: check.type,
  };
}
