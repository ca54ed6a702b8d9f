/** `beeline check`: checks a configuration file. Needs no daemon and no root. */

import { Command, Option } from 'commander';

import type { PlacedProblem } from '../../config/index.js';
import { allServices, type Model, type Warning, warningText } from '../../model/index.js';
import { completes, withExamples } from '../../usage/index.js';
import { configArgument, jsonOption } from '../arguments.js';
import { exitStatusOf } from '../exit-status.js';
import { instanceFor, instanceOption } from '../instance.js';
import { type Paint } from '../terminal/colour.js';
import { printJson, printResult } from '../terminal/print.js';
import { formatQuantity } from '../terminal/format.js';
import { warningsAbout } from '../warnings.js';

interface Options {
  json?: true;
  beside: readonly string[];
}

interface Report {
  readonly config: string;
  readonly services: number;
  readonly realServers: number;
  readonly problems: readonly [];
  readonly warnings: readonly Warning[];
}

export function checkCommand(): Command {
  const check = new Command('check')
    .summary('check a configuration file')
    .description(
      'Check a configuration file and print every problem with its line and column. If there is none, warn of real servers ' +
        'that are other directors, of network cards that change frames before XDP sees them, of VIPs that nobody answers ' +
        'for, and of health checks that prove little or whose files are missing, as far as this host and its daemon know. ' +
        'Changes nothing.',
    )
    .addArgument(configArgument())
    .addOption(besideOption())
    .addOption(instanceOption())
    .addOption(jsonOption(', with all problems'))
    .action(checkFile);
  return withExamples(
    check,
    ['beeline check', 'check the default configuration file'],
    [
      'beeline check new.yaml && cp new.yaml /etc/beeline/beeline.yaml && beeline reload',
      'install a changed file and load it',
    ],
    [
      'beeline check --beside other.yaml',
      'check the default configuration file, and warn of real servers that the other director names as directors',
    ],
    ['beeline check --json new.yaml | jq .problems', 'print every problem as JSON'],
  );
}

function besideOption(): Option {
  const option = new Option(
    '--beside <file>',
    'configuration of another director on the same networks: its "directors" count too; may be repeated',
  );
  const collect = (file: string, before: readonly string[]): string[] => [...before, file];
  return completes(option.argParser(collect).default([], 'none'), 'file');
}

async function checkFile(config: string, options: Options, command: Command): Promise<void> {
  const { ConfigError, readConfig } = await import('../../config/index.js');
  try {
    const model = readConfig(config);
    await requireRoom(model, config);
    const others = options.beside.map((file) => readConfig(file));
    const { services } = model;
    const realServers = services.reduce((sum, service) => sum + service.destinations.length, 0);
    const warnings = await warningsAbout(model, others, instanceFor(command));
    const report: Report = { config, services: services.length, realServers, problems: [], warnings };
    printResult(report, options, (paint) => formatCheck(report, paint));
  } catch (error) {
    if (options.json !== true || !(error instanceof ConfigError)) {
      throw error;
    }
    printJson({ config, problems: error.problems.map(placed) });
    process.exitCode = exitStatusOf(error.code);
  }
}

/** More values than this may reach a limit of the data path's tables; fewer cannot, and need not wait for its code. */
const FAR_FROM_LIMITS = 1024;

/** @throws ConfigError */
async function requireRoom(model: Model, config: string): Promise<void> {
  const services = allServices(model);
  const sizes = services.map(({ destinations, slots = 0 }) => 1 + destinations.length + slots);
  if (model.markRules === undefined && sizes.reduce((sum, each) => sum + each, 0) <= FAR_FROM_LIMITS) {
    return;
  }
  const { limitProblem } = await import('../../director/index.js');
  const problem = limitProblem(model);
  if (problem !== undefined) {
    const { ConfigError } = await import('../../config/index.js');
    const message = [problem.message, problem.hint].filter((text) => text !== undefined).join('. ');
    throw new ConfigError(config, [{ line: 1, column: 1, path: [], message }]);
  }
}

function placed({ line, column, path, message }: PlacedProblem): PlacedProblem {
  return { line, column, path, message };
}

function formatCheck({ config, services, realServers, warnings }: Report, paint: Paint): string {
  const what = `${formatQuantity(services, 'service')}, ${formatQuantity(realServers, 'real server')}`;
  const lines = warnings.map((each) => `${paint('warning', 'warning')}  ${warningText(each)}\n`);
  return `${config}: ${what}: no problems\n${lines.join('')}`;
}
