/** `--json`: the commands that have it, and docs/json.md, which shows every name that they print. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import type { Command } from 'commander';

import type { DiffResult } from '../../../src/cli/commands/diff.js';
import type { PeerDiffResult } from '../../../src/cli/commands/diff-peer.js';
import type { InitReport } from '../../../src/cli/commands/init.js';
import type { RealServerFindings, RealServerSteps } from '../../../src/cli/commands/realserver.js';
import type { VipSteps } from '../../../src/cli/commands/vip.js';
import type { VipReport } from '../../../src/setup/index.js';
import type { SaveResult } from '../../../src/cli/commands/save.js';
import { beeline } from '../../../src/cli/program.js';
import type { PlacedProblem } from '../../../src/config/index.js';
import type {
  AdviceReport,
  CheckResultReport,
  CheckRunReport,
  CheckStateReport,
  CheckStepReport,
  DrainReport,
  ExplainedEntry,
  ExplainedFlow,
  ExplainReport,
  FlowReport,
  FlowsAtRisk,
  FlowSummary,
  FlowTableReport,
  InterfaceReport,
  MaintenanceReport,
  PlanReport,
  RealServerReport,
  ReloadReport,
  ServerChecks,
  ServiceChecks,
  ServicePlan,
  ServiceReport,
  StatsReport,
  StatusReport,
  StopReport,
  UnattendedReport,
} from '../../../src/control/index.js';
import type { Diagnosis, Finding as DoctorFinding, Mend } from '../../../src/doctor/index.js';
import type { Difference, Forwarded, Warning } from '../../../src/model/index.js';

const PAGE = readFileSync('docs/json.md', 'utf8');

/** The example in the section of a command. */
function example(command: string): unknown {
  const section = PAGE.slice(PAGE.indexOf(`## beeline ${command} --json\n`));
  return JSON.parse(/```json\n([^]*?)```/.exec(section)![1]!);
}

/** Names as the compiler knows them: one that is new does not compile here before it is in docs/json.md too. */
type Names<Shape> = Readonly<Record<keyof Shape, true>>;

function shows<Shape extends object>(shown: Shape | undefined, names: Names<Shape>): void {
  assert.deepEqual(Object.keys(shown!).sort(), Object.keys(names).sort());
}

const SERVICE = { protocol: true, address: true, port: true } as const;
const MARK = { mark: true, family: true } as const;
const FIGURES = { packets: true, bytes: true, flows: true } as const;

test('docs/json.md shows every name in a list of services', () => {
  const [service, marked] = example('list') as ServiceReport[];
  const policy = { scheduler: true, slots: true, realServers: true, verdicts: true } as const;
  shows(service, { ...SERVICE, ...policy });
  shows(marked, { ...MARK, ...policy });
  const state = { weight: true, state: true, reason: true, mac: true, share: true } as const;
  const now = { active: true, inactive: true, persistent: true } as const;
  shows<RealServerReport>(service?.realServers[0], { address: true, ...state, ...FIGURES, ...now });
});

test('docs/json.md shows every name in the status and in statistics', () => {
  const status = example('status') as StatusReport;
  const daemon = {
    version: true,
    pid: true,
    startedAt: true,
    uptimeMs: true,
    configPath: true,
    problems: true,
    warnings: true,
  } as const;
  const dataPath = { interfaces: true, programId: true, generation: true, verdicts: true } as const;
  const { flows: _flows, ...sums } = FIGURES;
  const commands = {
    hostClients: true,
    removed: true,
    changes: true,
    changedSince: true,
    drains: true,
    disabled: true,
    health: true,
    vrrp: true,
    flowHandOver: true,
  } as const;
  shows(status, { ...daemon, ...dataPath, ...sums, ...commands, services: true, realServers: true, unresolved: true });
  const places = { interface: true, peer: true, service: true, realServer: true, vip: true } as const;
  const warning = Object.assign({}, ...status.warnings!) as Warning;
  shows<Warning>(warning, { code: true, message: true, remedy: true, ...places });
  const device = { name: true, state: true, mode: true, ifindex: true, mac: true, reason: true } as const;
  shows<InterfaceReport>(status.interfaces[0], device);
  const unattended = PAGE.slice(PAGE.indexOf('### Without a daemon'));
  const left = JSON.parse(/```json\n([^]*?)```/.exec(unattended)![1]!) as UnattendedReport;
  shows<UnattendedReport>(left, {
    ...{ forwarding: true, unattendedSince: true, configPath: true, problems: true, unresolved: true },
    ...{ ...dataPath, ...sums, services: true, realServers: true },
  });
  const stats = example('stats') as StatsReport;
  shows(stats, { services: true, noService: true, warnings: true });
  const [service, marked] = stats.services;
  shows(service, { ...SERVICE, ...FIGURES, verdicts: true });
  shows(marked, { ...MARK, ...FIGURES, verdicts: true });
});

test('docs/json.md shows every name in a list of flows and in its summary', () => {
  const ends = { protocol: true, client: true, clientPort: true, vip: true, port: true, realServer: true } as const;
  const rest = { service: true, state: true, idleSeconds: true, expiresSeconds: true, mark: true } as const;
  shows<FlowReport>((example('flows') as FlowReport[])[0], { ...ends, ...rest });
  const summary = example('flows --summary') as FlowSummary;
  const totals = { stored: true, evicted: true, refused: true } as const;
  shows(summary, { states: true, topClients: true, tables: true, ...totals });
  shows(summary.topClients[0], { client: true, flows: true });
  const table = {
    family: true,
    entries: true,
    most: true,
    used: true,
    full: true,
    fullBuckets: true,
    bytes: true,
  } as const;
  shows<FlowTableReport>(summary.tables[0], table);
});

test('docs/json.md shows every name in an explanation', () => {
  const report = example('explain') as ExplainReport;
  const [captured] = example('explain --pcap FILE') as (ExplainReport & { number: number })[];
  const steps = { packet: true, service: true, flow: true, slot: true, persistence: true, realServer: true } as const;
  const end = { sent: true, answer: true, counted: true, verdict: true, reason: true, oracle: true } as const;
  shows<ExplainReport>({ ...report, slot: captured!.slot, answer: captured!.answer }, { ...steps, ...end });
  const ends = { source: true, destination: true, protocol: true, sourcePort: true, destinationPort: true } as const;
  const rest = { interface: true, bytes: true, vlans: true, flags: true, fragment: true, plain: true } as const;
  const packet = { ...report.packet, ...captured!.packet };
  shows(packet, { destinationMac: true, sourceMac: true, ...ends, ...rest });
  shows(report.service, {
    name: true,
    scheduler: true,
    realServers: true,
    wildcard: true,
    remembers: true,
    conditions: true,
  });
  const key = { protocol: true, client: true, clientPort: true, port: true, event: true } as const;
  const fate = {
    sought: true,
    known: true,
    next: true,
    stored: true,
    displaces: true,
    noRoom: true,
    crowded: true,
  } as const;
  shows<ExplainedFlow>({ ...report.flow!, ...captured!.flow! }, { ...key, ...fate, turnedAwayBy: true });
  shows<ExplainedEntry>(captured!.flow?.known, { state: true, idleSeconds: true, realServer: true });
  shows({ ...captured!.persistence, ...report.persistence! }, { known: true, stored: true });
  const slot = { index: true, of: true, realServer: true, full: true } as const;
  shows(captured!.slot, { ...slot, lookedOn: true, moved: true, previous: true });
  const server = { address: true, number: true, weight: true, local: true, mac: true, by: true } as const;
  // Only of one that nothing can be sent to, which has no MAC.
  assert.match(PAGE, /`waits`: why/);
  shows({ ...report.realServer!, waits: '' }, { ...server, waits: true });
  shows(report.sent, { interface: true, sourceMac: true, destinationMac: true, vlans: true });
  shows(report.counted, { bytes: true, opensFlow: true });
  shows(report.oracle, { agrees: true, verdict: true, realServer: true, differences: true });
  shows(captured!.oracle.differences[0], { what: true, program: true, oracle: true });
});

test('docs/json.md shows every name of health checks and of what is disabled', () => {
  const [service] = example('list --checks') as ServiceChecks[];
  shows<ServiceChecks>(service, { service: true, quorum: true, realServers: true });
  const [server] = service!.realServers;
  const ofServer = { address: true, state: true, since: true, advice: true, disabled: true, checks: true } as const;
  shows<ServerChecks>(server, ofServer);
  const state = {
    check: true,
    state: true,
    since: true,
    last: true,
    against: true,
    trouble: true,
    warning: true,
  } as const;
  shows<CheckStateReport>(server!.checks[0], state);
  shows<CheckResultReport>(server!.checks[0]!.last, { passed: true, layer: true, words: true, ms: true });
  const [http, agent] = example('check-server') as CheckRunReport[];
  const run = { check: true, result: true, advice: true, trouble: true, warning: true, steps: true } as const;
  shows<CheckRunReport>({ ...http!, ...agent! }, run);
  const step = { request: true, outcome: true, sent: true, received: true, connectMs: true, totalMs: true } as const;
  shows<CheckStepReport>(http!.steps[0], { ...step, httpStatus: true });
  shows<AdviceReport>(
    { ...server!.advice, ...agent!.advice },
    { state: true, weight: true, percent: true, source: true },
  );
  const disabled = { service: true, realServer: true, since: true, until: true, reason: true, moves: true } as const;
  shows<MaintenanceReport>(example('disable') as MaintenanceReport, disabled);
});

test('docs/json.md shows every name that a change prints', () => {
  const draining = { service: true, realServer: true, flows: true, uncertain: true, removed: true } as const;
  shows(example('drain') as DrainReport, { ...draining, deadline: true });
  const changes = {
    added: true,
    removed: true,
    changed: true,
    settings: true,
    dropped: true,
    differences: true,
    endedDrains: true,
  } as const;
  shows(example('reload') as ReloadReport, { services: true, realServers: true, ...changes });
  shows(example('apply') as ReloadReport, { services: true, realServers: true, ...changes });
  shows(example('stop') as StopReport, { pid: true, detached: true, endsWithNamespace: true });
  const { problems } = example('check') as { problems: Omit<PlacedProblem, 'atKey'>[] };
  shows(problems[0], { line: true, column: true, path: true, message: true });
});

test('docs/json.md shows every name in differences and in a plan', () => {
  const one = {
    kind: true,
    what: true,
    service: true,
    realServer: true,
    field: true,
    before: true,
    after: true,
  } as const;
  const all = (differences: readonly Difference[]): Difference =>
    differences.reduce((whole, each) => ({ ...whole, ...each }));
  const diff = example('diff') as DiffResult;
  shows(diff, {
    file: true,
    differences: true,
    changes: true,
    changedSince: true,
    fileChanged: true,
    dropped: true,
    drains: true,
  });
  shows<Difference>(all(diff.differences), one);
  const peer = example('diff --peer HOST') as PeerDiffResult;
  shows(peer, { peer: true, differences: true, services: true, versions: true, reasons: true });
  shows(peer.reasons[0], { host: true, realServer: true, reason: true });
  const forwarded = example('fingerprint') as Forwarded;
  shows(forwarded, { host: true, version: true, timeouts: true, markRules: true, services: true });
  const [service] = forwarded.services;
  shows(service, { service: true, policy: true, realServers: true, table: true });
  const thresholds = { upperThreshold: true, lowerThreshold: true } as const;
  shows(service?.realServers[0], { address: true, weight: true, reachable: true, ...thresholds, reason: true });
  shows(example('save') as SaveResult, { file: true, differences: true, drains: true });
  const plan = example('plan') as PlanReport;
  shows(plan, { differences: true, endedDrains: true, moved: true, services: true, flowsAtRisk: true });
  shows<ServicePlan>(plan.services[0], {
    service: true,
    slots: true,
    moved: true,
    breaksUnremembered: true,
    atRisk: true,
    kept: true,
  });
  shows<FlowsAtRisk>(plan.services[0]?.atRisk[0], { realServer: true, flows: true, uncertain: true });
});

test("docs/json.md shows every name of a real server's steps and findings", () => {
  const steps = example('realserver setup --json, beeline realserver remove') as RealServerSteps;
  shows(steps, { dryRun: true, steps: true, notes: true });
  shows(steps.steps[0], { outcome: true, what: true, command: true, why: true });
  const check = example('realserver check') as RealServerFindings;
  shows(check, { status: true, findings: true });
  shows(check.findings[0], { check: true, severity: true, text: true, mend: true });
});

test('docs/json.md shows every name of VIPs, and of what init says', () => {
  const steps = example('vip add --json, beeline vip remove') as VipSteps;
  shows(steps, { dryRun: true, steps: true, notes: true });
  shows(steps.steps[0], { outcome: true, what: true, command: true, why: true });
  const [vip] = example('vip list') as VipReport[];
  shows(vip, { vip: true, places: true, owner: true, router: true, files: true });
  shows(vip?.places[0], { interface: true, prefix: true, prefixIsRight: true, up: true, duplicate: true });
  const init = example('init') as InitReport;
  shows(init, { file: true, doubts: true, next: true });
  shows(init.next[0], { where: true, command: true, why: true });
});

test("docs/json.md shows every name of the doctor's findings", () => {
  const diagnosis = example('doctor') as Diagnosis;
  shows<Diagnosis>(diagnosis, { status: true, findings: true, lookedAt: true, notLookedAt: true });
  const finding = {
    check: true,
    severity: true,
    subject: true,
    text: true,
    evidence: true,
    why: true,
    mend: true,
  } as const;
  shows<DoctorFinding>(diagnosis.findings[0], finding);
  const mend = Object.assign({}, ...diagnosis.findings[0]!.mend) as Mend;
  shows<Mend>(mend, { on: true, host: true, command: true, fix: true });
  shows(diagnosis.notLookedAt[0], { what: true, why: true });
});

/** "list", "lab list", …: the commands that do something. */
function commandNames(parent: Command, prefix = ''): string[] {
  return parent.commands.flatMap((command) => {
    const name = `${prefix}${command.name()}`;
    return command.commands.length > 0 ? commandNames(command, `${name} `) : [name];
  });
}

const PROGRAM = await beeline();

function commandNamed(name: string): Command {
  return name.split(' ').reduce((parent, word) => parent.commands.find((command) => command.name() === word)!, PROGRAM);
}

const hasJson = (name: string): boolean => commandNamed(name).options.some(({ long }) => long === '--json');

test('every command that shows something has --json', () => {
  for (const name of [
    'list',
    'stats',
    'status',
    'doctor',
    'flows',
    'explain',
    'drain',
    'reload',
    'check',
    'stop',
    'lab list',
    'diff',
    'fingerprint',
    'save',
    'plan',
    'apply',
  ]) {
    assert.ok(hasJson(name), name);
  }
});

test('every command that has --json is in docs/json.md', () => {
  for (const name of commandNames(PROGRAM).filter(hasJson)) {
    assert.ok(PAGE.includes(`beeline ${name} --json`), name);
  }
});
