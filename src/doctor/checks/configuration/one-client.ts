/** Clients behind one address that a service sends to one real server, all of them: a NAT, or a proxy. */

import { allServices, type IpAddress, serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { balanced, keepsClients } from '../../services.js';

const NAME = 'one-client-most-flows';

/** Fewer say nothing. */
const LEAST_FLOWS = 200;
/** The part of all flows that one address has. */
const MOST = 0.5;

export const oneClientMostFlows: Check = {
  name: NAME,
  about: 'an address (a NAT, a proxy) with most of the flows, all of them at one real server',
  reads: [],
  find: ({ director: { model, flows } }) => {
    const [top] = flows?.summary.topClients ?? [];
    const all = Object.values(flows?.summary.states ?? {}).reduce((sum, count) => sum + count, 0);
    if (flows === undefined || top === undefined || all < LEAST_FLOWS || top.flows < all * MOST) {
      return [];
    }
    const own = flows.ofTopClient.filter(({ client, clientPort }) => client === top.client && clientPort !== 0);
    const names = new Set(balanced(model).filter(keepsClients).map(serviceName));
    return allServices(model).flatMap((service): Finding[] => {
      const name = serviceName(service);
      const here = own.filter((each) => each.service === name);
      const servers = new Set<IpAddress>(here.map(({ realServer }) => realServer));
      // A few of its flows prove nothing.
      if (!names.has(name) || here.length < own.length / 2 || servers.size !== 1) {
        return [];
      }
      const [server] = servers;
      const { scheduler, persistence } = service;
      return [
        {
          ...{ check: NAME, severity: 'warning', subject: name },
          text: `${name}: ${top.client} has most of all flows, and all go to ${server!}`,
          evidence: [
            `${top.client}: ${top.flows} of ${all} flows, ${Math.round((top.flows / all) * 100)}%`,
            `of ${here.length} of them in ${name}, ${here.length} are at ${server!}`,
          ],
          why: `The clients behind that address are one to ${persistence === undefined ? `the scheduler ${scheduler}` : 'persistence'}: the other real servers are idle.`,
          mend: [
            persistence === undefined
              ? { on: 'configuration', command: `"flags: [${scheduler}-port]", or "scheduler: maglev"` }
              : {
                  on: 'configuration',
                  command:
                    'leave "persistence" out, and keep sessions where all real servers find them; or balance by cookies behind the director',
                },
          ],
        },
      ];
    });
  },
};
