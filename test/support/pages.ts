/** Pages of the documentation whose commands tests run: what there is to type, and what it prints. Pure. */

/** A command of a page, and what it prints there. */
export interface Step {
  /** Who runs it, as the page's prompt says: `director# …`. Undefined for `$ …`. */
  readonly host?: string;
  /** Several lines, if it goes on after the first. */
  readonly command: string;
  readonly output: string;
}

/** A file that the reader writes: its first lines have `# HOST: NAME`. */
export interface FileText {
  readonly host: string;
  readonly name: string;
  readonly text: string;
}

/** A part of a page between two fences. */
interface Block {
  /** Of the opening fence, for messages. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

const PROMPT = /^(?:([a-z0-9]+)# |\$ )(.*)$/;
/** Of a line that goes on with a command, as shells print it. */
const GOES_ON = /^> ?/;
const FILE_HEADER = /^# ([a-z0-9]+): ([\w.-]+)$/m;

function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(.*)\n([^]*?)^```$/gm)].map(({ index, 1: language = '', 2: text = '' }) => ({
    line: page.slice(0, index).split('\n').length,
    language,
    text,
  }));
}

function stepsIn({ text }: Block): Step[] {
  const steps: { host?: string; command: string[]; output: string[] }[] = [];
  for (const line of text.split('\n').slice(0, -1)) {
    const [, host, command] = PROMPT.exec(line) ?? [];
    const last = steps.at(-1);
    if (command !== undefined) {
      steps.push({ ...(host !== undefined && { host }), command: [command], output: [] });
    } else if (GOES_ON.test(line) && last?.output.length === 0) {
      last.command.push(line.replace(GOES_ON, ''));
    } else {
      last?.output.push(line);
    }
  }
  return steps.map(({ command, output, ...rest }) => ({
    ...rest,
    command: command.join('\n'),
    output: output.join('\n').trim(),
  }));
}

const isSession = ({ language, text }: Block): boolean => language === '' && PROMPT.test(text.split('\n')[0]!);

/** Returns the commands of a page, in their order. */
export function stepsOf(page: string): Step[] {
  return blocksOf(page).filter(isSession).flatMap(stepsIn);
}

/**
 * Returns what the reader of a tutorial types and writes, in its order.
 *
 * @throws Error for a block that is for no host, because nobody would run it
 */
export function tutorialOf(page: string): (Step | FileText)[] {
  return blocksOf(page).flatMap((block): (Step | FileText)[] => {
    const steps = isSession(block) ? stepsIn(block) : [];
    const [, host, name] = FILE_HEADER.exec(block.text.split('\n').slice(0, 2).join('\n')) ?? [];
    if (host !== undefined && name !== undefined) {
      return [{ host, name, text: block.text }];
    }
    if (steps.length === 0 || steps.some((step) => step.host === undefined)) {
      throw new Error(`line ${block.line}: this block is for no host`);
    }
    return steps;
  });
}

/** Returns a text without what differs from run to run: times, figures of traffic and the columns that follow from them. */
export function comparable(text: string): string {
  return (
    text
      .replace(/\d+(\.\d+)? ?(ms|s|min|h|kB|B)\b( \d+ s)?/g, 'N')
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'THEN')
      // The peer of a veth.
      .replace(/@if\d+/g, '')
      // In a table: what comes after the MAC.
      .replace(/^( {2}.*?(?:[0-9a-f]{2}:){5}[0-9a-f]{2}) .*$/gm, '$1')
      .replace(/(?<= )\d\d:\d\d$/gm, 'N')
      .replace(/^\d+ packets? received by filter$/gm, 'N packets received by filter')
      .replace(/\d+ frames?\b/g, 'N frames')
      .replace(/\/labs\/[\w-]+\//g, '/labs/NAME/')
      .replace(/ +$/gm, '')
      .replace(/ +/g, ' ')
      .trim()
  );
}
