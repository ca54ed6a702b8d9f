/** `beeline mark`: gives packets marks. Netfilter's marks come too late for XDP. */

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
import { withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { makeEdit } from '../edits.js';
import { withInstance } from '../instance.js';
import { print, printJson } from '../terminal/print.js';
import { formatTable } from '../terminal/format.js';

export function markCommand(): Command {
  const command = new Command('mark')
    .summary('give packets marks, for services of marked packets')
    .description(
      'Give packets marks, for services of marked packets ("ipvsadm -A -f MARK"). XDP sees packets before netfilter can ' +
        'mark them: write rules like "iptables -t mangle … -j MARK" here.\n\n' +
        `A match is ${MARK_MATCH_FORM}; "*" stands for every port.`,
    );
  command.addCommand(
    withInstance(new Command('add'))
      .summary('add rules: packets that match get the mark')
      .description('Add rules: packets that match get the mark. The rules of other marks stay.')
      .argument('<mark>', `mark from 1 to ${MAX_MARK}`, mark)
      .requiredOption('--match <match>', 'packets that get the mark; may be repeated', matches)
      .action(async (value: number, { match }: { match: readonly MarkMatch[] }, self: Command) => {
        await editAll(
          self,
          match.map((each) => ({ kind: 'add-mark-rule', rule: { mark: value, match: each } })),
        );
      }),
  );
  command.addCommand(
    withInstance(new Command('delete'))
      .summary('delete rules of a mark')
      .description('Delete the rules of a mark, or those of its rules that --match names.')
      .argument('<mark>', `mark from 1 to ${MAX_MARK}`, mark)
      .option(
        '--match <match>',
        'match of the rule to delete; may be repeated (default: all rules of the mark)',
        matches,
      )
      .action(async (value: number, { match }: { match?: readonly MarkMatch[] }, self: Command) => {
        const edits = match?.map((each): Edit => ({ kind: 'delete-mark-rule', rule: { mark: value, match: each } }));
        await editAll(self, edits ?? [{ kind: 'clear-mark-rules', mark: value }]);
      }),
  );
  command.addCommand(
    withInstance(new Command('list'))
      .summary('list the mark rules')
      .description('List the mark rules: marks, and the packets that get them.')
      .addOption(jsonOption())
      .action(async ({ json }: { json?: true }, self: Command) => {
        const { markRules } = await ask(self, 'table', {});
        if (json === true) {
          printJson(markRules.map((rule) => ({ mark: rule.mark, match: markMatchName(rule.match) })));
        } else {
          print(formatMarkRules(markRules));
        }
      }),
  );
  return withExamples(
    command,
    ['beeline mark add 1 --match tcp:192.168.1.100:80 --match tcp:192.168.1.100:443', 'give two ports one mark'],
    ['beeline ipvsadm -A -f 1 -s wlc -p 300', 'add a service for that mark'],
  );
}

async function editAll(command: Command, edits: readonly Edit[]): Promise<void> {
  for (const edit of edits) {
    await makeEdit(command, edit);
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
    throw new InvalidArgumentError(`It must be ${MARK_MATCH_FORM}; the address must have no bits outside the prefix.`);
  }
  return [...(before ?? []), match];
}
