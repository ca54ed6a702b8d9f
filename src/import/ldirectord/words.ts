/** What is said of settings that need no more than a sentence, and of those that a section does not use. Pure. */

import type { Report } from './report.js';
import type { GlobalKey, SectionKey, Settings, Value } from './settings.js';
import type { Wishes } from './wishes.js';

interface Fate {
  /** Why it is left out, and what to do instead. */
  readonly why: string;
  /** Whether something is missing then. */
  readonly lost: boolean;
}

const MAIL = 'Beeline sends no mail: a hook can ("health: { hooks: [{ command: [/path/to/program] }] }")';

/** Settings without an equivalent. */
const LEFT_OUT: Readonly<Partial<Record<GlobalKey | SectionKey, Fate>>> = {
  autoreload: { why: '"beeline reload" reads the configuration again', lost: false },
  callback: { why: 'nothing is called when the configuration file changes', lost: true },
  cleanstop: {
    why: 'packets are forwarded on when the daemon ends, as with cleanstop=no; "beeline stop --detach" ends that, too',
    lost: false,
  },
  comment: { why: 'it is a text for mails', lost: false },
  emailalert: { why: MAIL, lost: true },
  emailalertfreq: { why: 'it belongs to mails', lost: false },
  emailalertfrom: { why: 'it belongs to mails', lost: false },
  emailalertstatus: { why: 'it belongs to mails', lost: false },
  fallbackcommand: {
    why: 'a hook is told that a quorum is lost or met, as JSON: "health: { hooks: [{ command: [/path/to/program] }] }"',
    lost: true,
  },
  fork: { why: 'no check waits for another one', lost: false },
  load: { why: 'ldirectord itself does not use it', lost: false },
  logfile: { why: 'the log is in the journal: journalctl -u beeline', lost: false },
  maintenancedir: {
    why: '"beeline disable" takes a real server out, and "beeline enable" puts it back; files there have no effect',
    lost: true,
  },
  monitorfile: { why: 'the log has changes, and "beeline list --checks" the last results', lost: false },
  readdquiescent: { why: 'a real server stays in the list while it is down', lost: false },
  servicename: { why: 'it is a text for mails', lost: false },
  smtp: { why: 'it belongs to mails', lost: false },
  supervised: { why: 'systemd supervises the daemon', lost: false },
};

/** Returns why a setting is left out; undefined: it has an equivalent. */
function sayLeftOut(key: string, { line }: Value, report: Report): boolean {
  const fate = Object.hasOwn(LEFT_OUT, key) ? LEFT_OUT[key as GlobalKey] : undefined;
  if (fate?.lost === true) {
    report.dropped(line, fate.why);
  } else if (fate !== undefined) {
    report.unneeded(line, fate.why);
  }
  return fate !== undefined;
}

/** Settings that hold for all sections without their own. */
const GLOBAL_WORDS: Readonly<Partial<Record<GlobalKey, (text: string) => string>>> = {
  checktimeout: (text) => `timeout: ${text}, of checks by connect, ping and external where the section has none`,
  negotiatetimeout: (text) => `timeout: ${text}, of negotiating checks where the section has none`,
  checkinterval: (text) => `interval: ${text}`,
  failurecount: (text) => `fall: ${text}, where the section has none`,
  checkcount: (text) => `fall: ${text}, of pings where the section has none`,
  quiescent: (text) => `onFailure: ${text === 'yes' ? 'quiesce' : 'remove (the default)'}, where the section has none`,
  fallback: (text) => `fallback: ${text}, of IPv4 services that have none`,
  fallback6: (text) => `fallback: ${text}, of IPv6 services that have none`,
};

export function sayGlobals(globals: Settings<GlobalKey>, report: Report): void {
  for (const [key, value] of globals.all()) {
    const { line, text } = value;
    if (key.startsWith('execute ')) {
      report.dropped(line, `ldirectord starts a second one for ${text}: import that file as well`);
    } else if (!sayLeftOut(key, value, report) && !report.has(line)) {
      report.translated(line, GLOBAL_WORDS[key as GlobalKey]!(text));
    }
  }
}

/** Says what became of the settings of a section of which nothing is said yet. */
export function saySection(wishes: Wishes, forks: boolean): void {
  const { own, report } = wishes;
  for (const [key, value] of own.all()) {
    if (!report.has(value.line) && !sayLeftOut(key, value, report)) {
      const to = translationOf(key as SectionKey, value.text, wishes);
      if (key === 'checkinterval' && !forks) {
        report.unneeded(value.line, 'without "fork = yes" ldirectord ignores it in a section');
      } else if (to === undefined) {
        report.unneeded(value.line, `it has no effect with ${kindOfCheck(wishes)}`);
      } else {
        report.translated(value.line, to);
      }
    }
  }
}

function kindOfCheck({ checkType, service, connects }: Wishes): string {
  switch (checkType) {
    case 'negotiate':
      return service === 'none' ? 'service=none, which is never checked' : `a negotiating check of ${service}`;
    case 'combined':
      return `checktype=${connects} and service=${service}`;
    default:
      return `checktype=${checkType}`;
  }
}

/** Returns what a setting has become; undefined: nothing, since the section's checks do not use it. */
function translationOf(key: SectionKey, text: string, wishes: Wishes): string | undefined {
  const { checkType, service } = wishes;
  const combined = checkType === 'combined';
  const talks = (checkType === 'negotiate' || combined) && service !== 'none';
  const asks = talks && ['http', 'https', 'dns', 'simpletcp'].includes(service);
  const web = talks && (service === 'http' || service === 'https');
  const checked = talks || combined || ['connect', 'ping', 'external', 'external-perl'].includes(checkType);
  const when = (condition: boolean, to: string): string | undefined => (condition ? to : undefined);
  switch (key) {
    case 'protocol':
      return `protocol: ${text}`;
    case 'checktype':
      return CHECK_TYPE_WORDS[checkType](wishes);
    case 'service':
      return when(talks, `checks: ${service}`);
    case 'request':
      return when(asks, `${service === 'dns' ? 'name' : service === 'simpletcp' ? 'send' : 'path'}: ${text}`);
    case 'receive':
      return when(asks, `${service === 'dns' ? 'answer' : service === 'simpletcp' ? 'expect' : 'body'}: ${text}`);
    case 'httpmethod':
      return when(web, text.toUpperCase() === 'HEAD' ? 'method: HEAD' : 'method: GET (the default)');
    case 'virtualhost':
      return when(web, `host: ${text}`);
    case 'login':
      return when(talks && service === 'sip', 'the user that is asked for');
    case 'checkport':
      return when(checked, `port: ${text}`);
    case 'checkcommand':
      return when(checkType.startsWith('external'), 'command, with the arguments that ldirectord gives');
    case 'checktimeout':
      return when(checked && (!talks || combined), `timeout: ${text}`);
    case 'negotiatetimeout':
      return when(checked, `timeout: ${text}`);
    case 'checkinterval':
      return when(checked, `interval: ${text}`);
    case 'failurecount':
      return when(checked, `fall: ${text}`);
    case 'checkcount':
      return when(checkType === 'ping' || wishes.protocol === 'udp', `fall: ${text}`);
    case 'quiescent':
      return when(checked, `onFailure: ${text === 'yes' ? 'quiesce' : 'remove (the default)'}`);
    default:
      return undefined;
  }
}

const CHECK_TYPE_WORDS: Readonly<Record<Wishes['checkType'], (wishes: Wishes) => string>> = {
  connect: ({ protocol, mark }) =>
    mark === undefined && protocol === 'udp' ? 'checks: ping, as ldirectord does for UDP' : 'checks: tcp',
  negotiate: ({ service }) => `checks of the service, ${service}`,
  ping: () => 'checks: ping',
  off: () => 'weight 0 of all real servers, which take nothing; "beeline weight" gives them one',
  on: () => 'no checks: all real servers are always up',
  external: () => 'checks: exec',
  'external-perl': () => 'checks: exec, by perl',
  combined: ({ connects }) =>
    connects === 0 ? 'the full check alone' : `checks: tcp, and the full one every ${connects + 1} intervals`,
};
