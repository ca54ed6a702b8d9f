/** virtual_server: from its block to what it asks for. */

import { MAX_TIMEOUT, MAX_WEIGHT, parseIp, SCHEDULERS, type Scheduler } from '../../model/index.js';
import { fates, type Fates, type Handler, type Handlers, readBlock, shown } from './block.js';
import type { Context } from './context.js';
import { virtualHostOf } from './http.js';
import { readMethod } from './method.js';
import { A_HOOK, NO_MAIL, readRealServer } from './real-servers.js';
import type { VirtualSpec } from './spec.js';
import { portOf, targetsOf } from './targets.js';
import { timesHandlers } from './times.js';
import type { Statement } from './text/tree.js';
import { numberOf } from './values.js';

const VIRTUAL_FATES: Fates = new Map([
  ...fates(
    'dropped',
    ['quorum_up quorum_down', A_HOOK],
    ['smtp_alert', NO_MAIL],
    ['persistence_engine', 'there are no persistence engines; persistence is by the address of the client'],
    ['hashed', 'keepalived does nothing for it'],
  ),
  ...fates(
    'translated',
    ['omega', 'not needed: packets are forwarded on when the daemon ends'],
    ['warmup', 'not needed: first checks are spread over a second'],
    ['ha_suspend', 'not needed: a standby checks too, whoever has the VIP'],
    ['snmp_name', 'there is no SNMP; "beeline list --json" has the names of services'],
    ['sorry_server_inhibit', 'as always: a fallback that is not needed keeps its flows'],
  ),
]);

/** IPVS_SVC_PERSISTENT_TIMEOUT. */
export const DEFAULT_PERSISTENCE = 360;

/** Reads a virtual server. Undefined: it has no packets, as was told. */
export function readVirtualServer(statement: Statement, context: Context): VirtualSpec | undefined {
  const targets = targetsOf(statement, context);
  if (targets.length === 0) {
    return undefined;
  }
  context.report.keep(statement);
  const virtual: VirtualSpec = { statement, targets, times: {}, servers: [], flags: [] };
  const handlers: Handlers<VirtualSpec> = new Map([
    ...timesHandlers(context.report, 1),
    ...policyHandlers(context),
    ...healthHandlers(context),
    ...serverHandlers(context),
  ]);
  readBlock(statement.children ?? [], virtual, { handlers, others: VIRTUAL_FATES }, 'virtual_server', context.report);
  return virtual;
}

function policyHandlers(context: Context): [string, Handler<VirtualSpec>][] {
  const { report } = context;
  const scheduler: Handler<VirtualSpec> = (statement, virtual) => {
    readScheduler(statement, virtual, context);
  };
  const method: Handler<VirtualSpec> = (statement, virtual) => {
    readMethod(statement, virtual, context);
  };
  const flag: Handler<VirtualSpec> = (statement, virtual) => {
    virtual.flags.push({ statement, name: statement.words[0]! });
  };
  return [
    ['lb_algo', scheduler],
    ['lvs_sched', scheduler],
    ['lb_kind', method],
    ['lvs_method', method],
    ...['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback', 'flag-1', 'flag-2', 'flag-3'].map(
      (name): [string, Handler<VirtualSpec>] => [name, flag],
    ),
    ['ops', (statement, virtual) => void (virtual.onePacket = statement)],
    [
      'persistence_timeout',
      (statement, virtual) => {
        readPersistence(statement, virtual, context);
      },
    ],
    [
      'persistence_granularity',
      (statement, virtual) => {
        virtual.granularity = statement;
        virtual.persistence ??= DEFAULT_PERSISTENCE;
      },
    ],
    [
      'protocol',
      (statement, virtual) => {
        readProtocol(statement, virtual, context);
      },
    ],
    [
      'ip_family',
      (statement, virtual) => {
        virtual.family = statement.words[1] === 'inet6' ? 6 : 4;
        report.keep(statement);
      },
    ],
    [
      'virtualhost',
      (statement, virtual) => {
        const host = virtualHostOf(statement, context);
        Object.assign(virtual, host === undefined ? {} : { virtualHost: host });
      },
    ],
  ];
}

function readScheduler(statement: Statement, virtual: VirtualSpec, { report }: Context): void {
  const [keyword, word = ''] = statement.words;
  const scheduler = SCHEDULERS.find(
    (known): known is Exclude<Scheduler, 'maglev'> => known === word && known !== 'maglev',
  );
  if (scheduler === undefined) {
    const text = `"${shown(word)}" is no scheduler of keepalived, which takes its default instead: wlc`;
    report.tell('dropped', statement, `${keyword!}: ${text}`);
  } else {
    virtual.scheduler = scheduler;
    report.tell('translated', statement, `${keyword!}: scheduler: ${scheduler}`);
  }
}

function readPersistence(statement: Statement, virtual: VirtualSpec, { report }: Context): void {
  const [, word] = statement.words;
  const timeout = word === undefined ? DEFAULT_PERSISTENCE : numberOf(word, 0, MAX_TIMEOUT);
  if (timeout === undefined) {
    report.tell(
      'dropped',
      statement,
      `persistence_timeout: "${shown(word ?? '')}" is no number of seconds up to ${MAX_TIMEOUT}`,
    );
  } else if (timeout === 0) {
    report.tell('translated', statement, 'persistence_timeout: no persistence');
  } else {
    virtual.persistence = timeout;
    report.tell('translated', statement, `persistence_timeout: persistence: ${timeout}`);
  }
}

function readProtocol(statement: Statement, virtual: VirtualSpec, { report }: Context): void {
  const word = statement.words[1]?.toLowerCase() ?? '';
  if (word === 'tcp' || word === 'udp') {
    virtual.protocol = word;
    report.keep(statement);
  } else if (word === 'sctp') {
    virtual.protocol = word;
    report.tell('dropped', statement, 'protocol: there is no SCTP: the virtual server is left out');
  } else {
    report.tell(
      'dropped',
      statement,
      `protocol: "${shown(statement.words[1] ?? '')}" is no protocol, and keepalived takes UDP instead`,
    );
  }
}

function healthHandlers(context: Context): [string, Handler<VirtualSpec>][] {
  const { report } = context;
  const count =
    (key: 'quorum' | 'hysteresis' | 'weight', low: number): Handler<VirtualSpec> =>
    (statement, virtual) => {
      const value = numberOf(statement.words[1], low, MAX_WEIGHT);
      if (value === undefined) {
        report.tell('dropped', statement, `${key}: "${shown(statement.words[1] ?? '')}" is no number from ${low} on`);
      } else {
        virtual[key] = value;
        report.keep(statement);
      }
    };
  return [
    ['quorum', count('quorum', 1)],
    ['hysteresis', count('hysteresis', 0)],
    ['weight', count('weight', 1)],
    [
      'alpha',
      (statement, virtual) => {
        virtual.alpha = true;
        report.tell('translated', statement, 'alpha: initially: down');
      },
    ],
    [
      'inhibit_on_failure',
      (statement, virtual) => {
        virtual.inhibit = statement;
        report.tell('translated', statement, 'inhibit_on_failure: onFailure: quiesce');
      },
    ],
    [
      'sorry_server',
      (statement, virtual) => {
        const [, word = '', portWord] = statement.words;
        const address = parseIp(word);
        const port = portOf(portWord, context);
        if (address === undefined || port === undefined) {
          report.tell(
            'dropped',
            statement,
            `sorry_server: "${shown(`${word} ${portWord ?? ''}`)}" is no address and port`,
          );
        } else {
          virtual.sorry = { statement, address, port };
        }
      },
    ],
    [
      'sorry_server_lvs_method',
      (statement) => {
        readMethod(statement, {}, context);
      },
    ],
  ];
}

function serverHandlers(context: Context): [string, Handler<VirtualSpec>][] {
  return [
    [
      'real_server',
      (statement, virtual) => {
        const server = readRealServer(statement, context);
        if (server !== undefined) {
          virtual.servers.push(server);
        }
      },
    ],
  ];
}
