/** What all checkers of a real server have: where they go, and how often. */

import { parseIp } from '../../model/index.js';
import { fates, type Fates, type Handler, type Handlers, readBlock, shown } from './block.js';
import type { Context } from './context.js';
import type { CheckSpec } from './spec.js';
import { timesHandlers } from './times.js';
import type { Statement } from './text/tree.js';
import { numberOf, switchOf } from './values.js';

const BY_KERNEL = 'source and route of checks are the kernel\'s; a rule of "ip rule" or a route can choose';

/** Keywords of every checker that have no equivalent. */
const COMMON_FATES: Fates = new Map([
  ...fates('dropped', ['bindto bind_if bind_port fwmark', BY_KERNEL]),
  ...fates(
    'translated',
    ['warmup', 'not needed: first checks are spread over a second'],
    ['log_all_failures', 'not needed: "beeline list --checks" shows results that speak against the state'],
  ),
]);

/** Handlers of every checker that connects. */
function placeHandlers(context: Context): [string, Handler<CheckSpec>][] {
  const { report } = context;
  return [
    [
      'connect_ip',
      (statement, check) => {
        const address = parseIp(statement.words[1] ?? '');
        if (address === undefined) {
          report.tell('dropped', statement, `connect_ip: "${shown(statement.words[1] ?? '')}" is no address`);
        } else {
          check.address = address;
          report.tell('translated', statement, `connect_ip: address: ${address}, with via: rip`);
        }
      },
    ],
    [
      'connect_port',
      (statement, check) => {
        const [, word = ''] = statement.words;
        const port = numberOf(word, 1, 65_535) ?? context.portOf(word, 'tcp');
        if (port === undefined) {
          report.tell('dropped', statement, `connect_port: "${shown(word)}" is no port`);
        } else {
          check.port = port;
          report.tell('translated', statement, `connect_port: port: ${port}`);
        }
      },
    ],
  ];
}

function commonHandlers({ report }: Context): [string, Handler<CheckSpec>][] {
  return [
    ...timesHandlers(report, 0),
    [
      'alpha',
      (statement, check) => {
        const value = switchOf(statement.words[1]);
        if (value === undefined) {
          report.tell('dropped', statement, `alpha: "${shown(statement.words[1] ?? '')}" is neither yes nor no`);
        } else {
          check.alpha = value;
          report.tell('translated', statement, `alpha: initially: ${value ? 'down' : 'up'}`);
        }
      },
    ],
  ];
}

/** @param defaults keepalived's; without `retryDelay` that is the interval */
export function newCheck(
  statement: Statement,
  defaults: CheckSpec['defaults'] = { retry: 1, retryDelay: 1 },
): CheckSpec {
  return { statement, text: '', times: {}, defaults, build: () => undefined };
}

/** Reads the block of a checker whose own keywords are given besides. */
export function readChecker<Target extends CheckSpec>(
  check: Target,
  context: Context,
  own: readonly [string, Handler<Target>][] = [],
  others: Fates = new Map(),
): void {
  const handlers: Handlers<Target> = new Map([...placeHandlers(context), ...commonHandlers(context), ...own]);
  const where = check.statement.words[0]!;
  readBlock(
    check.statement.children ?? [],
    check,
    { handlers, others: new Map([...COMMON_FATES, ...others]) },
    where,
    context.report,
  );
}
