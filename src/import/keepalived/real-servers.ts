/** real_server: from its block to what it asks for. */

import { MAX_THRESHOLD, MAX_WEIGHT, parseIp } from '../../model/index.js';
import { fates, type Fates, type Handler, type Handlers, readBlock, shown } from './block.js';
import { checkHandlers, OTHER_CHECKS } from './checks.js';
import type { Context } from './context.js';
import { virtualHostOf } from './http.js';
import { readMethod } from './method.js';
import type { ServerSpec } from './spec.js';
import { portOf } from './targets.js';
import { timesHandlers } from './times.js';
import type { Statement } from './text/tree.js';
import { numberOf, switchOf } from './values.js';

export const A_HOOK = 'a hook (health: hooks:) is told of each event as JSON, and can call it';
export const NO_MAIL = 'no mail is sent; a hook can send it';

const SERVER_FATES: Fates = new Map([
  ...OTHER_CHECKS,
  ...fates('dropped', ['notify_up notify_down', A_HOOK], ['smtp_alert', NO_MAIL]),
  ...fates(
    'translated',
    ['warmup', 'not needed: first checks are spread over a second'],
    ['snmp_name', 'there is no SNMP; "beeline list --json" has the names of services'],
  ),
]);

/** Reads a real server. Undefined: it has no address, as was told. */
export function readRealServer(statement: Statement, context: Context): ServerSpec | undefined {
  const { report } = context;
  const [, word = '', portWord] = statement.words;
  const address = parseIp(word);
  const port = portOf(portWord, context);
  if (address === undefined || port === undefined) {
    const what = address === undefined ? `"${shown(word)}" is no address` : `"${shown(portWord ?? '')}" is no port`;
    report.tellBlock('dropped', statement, `real_server: ${what}`);
    return undefined;
  }
  report.keep(statement);
  const server: ServerSpec = { statement, address, port, times: {}, checks: [] };
  const handlers: Handlers<ServerSpec> = new Map([
    ...timesHandlers(report, 1),
    ...checkHandlers(context),
    ...realServerHandlers(context),
  ]);
  readBlock(statement.children ?? [], server, { handlers, others: SERVER_FATES }, 'real_server', report);
  return server;
}

function realServerHandlers(context: Context): [string, Handler<ServerSpec>][] {
  const { report } = context;
  const count =
    (key: 'weight' | 'upperThreshold' | 'lowerThreshold', name: string, most: number): Handler<ServerSpec> =>
    (statement, server) => {
      const value = numberOf(statement.words[1], 0, most);
      if (value === undefined) {
        report.tell(
          'dropped',
          statement,
          `${name}: "${shown(statement.words[1] ?? '')}" is no number from 0 to ${most}`,
        );
      } else {
        server[key] = value;
        report.tell(name === key ? 'kept' : 'translated', statement, name === key ? '' : `${name}: ${key}: ${value}`);
      }
    };
  const yesOrNo =
    (set: (server: ServerSpec, value: boolean, statement: Statement) => string): Handler<ServerSpec> =>
    (statement, server) => {
      const value = switchOf(statement.words[1]);
      const [keyword] = statement.words;
      if (value === undefined) {
        report.tell('dropped', statement, `${keyword!}: "${shown(statement.words[1] ?? '')}" is neither yes nor no`);
      } else {
        report.tell('translated', statement, `${keyword!}: ${set(server, value, statement)}`);
      }
    };
  return [
    ['weight', count('weight', 'weight', MAX_WEIGHT)],
    ['uthreshold', count('upperThreshold', 'uthreshold', MAX_THRESHOLD)],
    ['lthreshold', count('lowerThreshold', 'lthreshold', MAX_THRESHOLD)],
    [
      'lvs_method',
      (statement, server) => {
        readMethod(statement, server, context);
      },
    ],
    [
      'lb_kind',
      (statement, server) => {
        readMethod(statement, server, context);
      },
    ],
    [
      'inhibit_on_failure',
      yesOrNo((server, value, statement) => {
        server.inhibit = value ? statement : false;
        return `onFailure: ${value ? 'quiesce' : 'remove'}`;
      }),
    ],
    [
      'alpha',
      yesOrNo((server, value) => {
        server.alpha = value;
        return `initially: ${value ? 'down' : 'up'}`;
      }),
    ],
    [
      'virtualhost',
      (statement, server) => {
        const host = virtualHostOf(statement, context);
        Object.assign(server, host === undefined ? {} : { virtualHost: host });
      },
    ],
  ];
}
