/** `beeline mark`: which packets get which mark, since netfilter's marks come too late for XDP. */

import { Command, InvalidArgumentError } from 'commander';

import {
  type Edit,
  MARK_MATCH_FORM,
  type MarkMatch,
  markMatchName,
  type MarkRule,
  MAX_MARK,
  parseMarkMatch,
} from '../../model/index.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import { print, printJson } from '../terminal/print.js';
import { formatTable } from '../terminal/format.js';

export function markCommand(): Command {
  const command = new Command('mark')
    .summary('say which packets get which mark')
    .description(
      'Say which packets get which mark, for services of marked packets ("ipvsadm -A -f MARK"). XDP sees packets before ' +
        'netfilter could mark them, so rules like "iptables -t mangle … -j MARK" are said here.\n\n' +
        `A match is ${MARK_MATCH_FORM}; "*" is every port.`,
    );
  command.addCommand(
    withInstance(new Command('add'))
      .summary('give packets a mark')
      .argument('<mark>', `1 to ${MAX_MARK}`, mark)
      .requiredOption('--match <match>', 'which packets; may be given several times', matches)
      .action(async (value: number, { match }: { match: readonly MarkMatch[] }, self: Command) => {
        await editAll(
          self,
          match.map((each) => ({ kind: 'add-mark-rule', rule: { mark: value, match: each } })),
        );
      }),
  );
  command.addCommand(
    withInstance(new Command('delete'))
      .summary('take the mark from packets again')
      .argument('<mark>', `1 to ${MAX_MARK}`, mark)
      .option('--match <match>', 'which packets; may be given several times (default: all of this mark)', matches)
      .action(async (value: number, { match }: { match?: readonly MarkMatch[] }, self: Command) => {
        const edits = match?.map((each): Edit => ({ kind: 'delete-mark-rule', rule: { mark: value, match: each } }));
        await editAll(self, edits ?? [{ kind: 'clear-mark-rules', mark: value }]);
      }),
  );
  command.addCommand(
    withInstance(new Command('list'))
      .summary('list the rules')
      .option('--json', 'print JSON')
      .action(async ({ json }: { json?: true }, self: Command) => {
        const { markRules } = await ask(self, 'table', {});
        if (json === true) {
          printJson(markRules.map((rule) => ({ mark: rule.mark, match: markMatchName(rule.match) })));
        } else {
          print(formatMarkRules(markRules));
        }
      }),
  );
  return command;
}

async function editAll(command: Command, edits: readonly Edit[]): Promise<void> {
  for (const edit of edits) {
    const { warnings } = await ask(command, 'edit', { edit });
    warnings.forEach((warning) => process.stderr.write(`beeline: warning: ${warning}\n`));
  }
}

export function formatMarkRules(rules: readonly MarkRule[]): string {
  return rules.length === 0
    ? 'no mark rules\n'
    : formatTable(
        [{ title: 'MARK', align: 'right' }, { title: 'PACKETS' }],
        rules.map(({ mark: value, match }) => [String(value), markMatchName(match)]),
      );
}

/** @throws InvalidArgumentError */
function mark(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= 1 && value <= MAX_MARK)) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_MARK}.`);
  }
  return value;
}

/** @throws InvalidArgumentError */
function matches(text: string, before: readonly MarkMatch[] | undefined): readonly MarkMatch[] {
  const match = parseMarkMatch(text);
  if (match === undefined) {
    throw new InvalidArgumentError(`It must be ${MARK_MATCH_FORM}, with no bits of the address beyond the prefix.`);
  }
  return [...(before ?? []), match];
}
