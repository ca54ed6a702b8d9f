/** The host's programs and files: everything through which commands see and change the machine. */

import { execFile } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { BeelineError } from '../../model/index.js';
import { PACKAGES } from '../packages.js';
import { commandText, type CommandLine } from '../step.js';

const TIMEOUT_MS = 20_000;
const MAX_OUTPUT_BYTES = 64 << 20;

/** Where root's programs are: a PATH without them is common. */
export const PROGRAM_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`;

/** The machine. Files of /etc and /var/lib are under `root`, which is empty but for tests. */
export class Host {
  readonly #root: string;
  readonly #undo: string;

  /** @param undo the command that undoes what was done, for messages */
  constructor(root = '', undo = 'beeline realserver remove') {
    this.#root = root;
    this.#undo = undo;
  }

  get boot(): string {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  }

  /** Runs a program and returns what it printed. @throws BeelineError `HOST_TOOL`, `HOST_FAILED` */
  run(line: CommandLine): Promise<string> {
    const { file, args, input } = line;
    return new Promise((resolve, reject) => {
      const options = {
        timeout: TIMEOUT_MS,
        maxBuffer: MAX_OUTPUT_BYTES,
        env: { ...process.env, PATH: PROGRAM_PATH, LC_ALL: 'C' },
      };
      const child = execFile(file, args, options, (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout);
        } else if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
          reject(missingTool(file, error));
        } else {
          const [command] = commandText(line).split('\n');
          reject(
            new BeelineError('HOST_FAILED', `"${command!}" failed: ${stderr.trim() || error.message}`, {
              cause: error,
            }),
          );
        }
      });
      // A program that ends before it has read all: its exit status says why.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
    });
  }

  /** The same for a listing; undefined: the program is not there, or has nothing to list. */
  async listing(file: string, ...args: string[]): Promise<string | undefined> {
    return this.run({ file, args }).catch(() => undefined);
  }

  /** A file's text, or where a link leads; undefined: there is none. @throws BeelineError `HOST_FAILED` */
  read(path: string): string | undefined {
    const place = this.#root + path;
    try {
      const found = lstatSync(place, { throwIfNoEntry: false });
      if (found === undefined) {
        return undefined;
      }
      return found.isSymbolicLink() ? readlinkSync(place) : readFileSync(place, 'utf8');
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      const isDenied = code === 'EACCES' || code === 'EPERM';
      throw new BeelineError('HOST_FAILED', `cannot read ${path}: ${REASONS[code] ?? message}`, {
        ...(isDenied && { hint: 'Use sudo.' }),
        cause: error,
      });
    }
  }

  /** A file that others wrote, for a look at it; undefined: none, a folder, or one that may not be read. */
  readText(path: string): string | undefined {
    try {
      return readFileSync(this.#root + path, 'utf8');
    } catch {
      return undefined;
    }
  }

  /** A file of /proc; empty if the kernel does not have it. */
  kernelFile(path: string): string {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  }

  /** The names in a folder; none if there is no such folder. */
  names(path: string): string[] {
    const place = this.#root + path;
    return lstatSync(place, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(place).sort() : [];
  }

  exists(path: string): boolean {
    return lstatSync(this.#root + path, { throwIfNoEntry: false }) !== undefined;
  }

  /** Replaces a file as a whole; it survives a loss of power. @throws BeelineError `HOST_UNWRITABLE` */
  write(path: string, text: string, mode: number): void {
    const place = this.#root + path;
    const next = nextOf(place);
    this.#changing(path, () => {
      makeFolder(dirname(place));
      rmSync(next, { force: true });
      const file = openSync(next, 'wx', mode);
      try {
        writeSync(file, text);
        fchmodSync(file, mode);
        fsyncSync(file);
        renameSync(next, place);
      } catch (error) {
        rmSync(next, { force: true });
        throw error;
      } finally {
        closeSync(file);
      }
      syncFolder(dirname(place));
    });
  }

  /** @throws BeelineError `HOST_UNWRITABLE` */
  link(path: string, target: string): void {
    this.#changing(path, () => {
      makeFolder(dirname(this.#root + path));
      symlinkSync(target, this.#root + path);
    });
  }

  /** Removes a file, what a command that was killed left of it, and the folder of drop-ins that was made for it. @throws BeelineError `HOST_UNWRITABLE` */
  remove(path: string): void {
    const folder = dirname(this.#root + path);
    this.#changing(path, () => {
      rmSync(nextOf(this.#root + path), { force: true });
      rmSync(this.#root + path, { force: true });
      if (folder.endsWith('.network.d') && this.exists(dirname(path)) && this.names(dirname(path)).length === 0) {
        rmdirSync(folder);
      }
    });
  }

  /** A kernel parameter; undefined: the kernel does not have it. @param key as under /proc/sys */
  sysctl(key: string): string | undefined {
    try {
      return readFileSync(`/proc/sys/${key}`, 'utf8').trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return undefined;
      }
      throw error;
    }
  }

  /** @throws BeelineError `HOST_UNWRITABLE` */
  setSysctl(key: string, value: string): void {
    this.#changing(`/proc/sys/${key}`, () => {
      const file = openSync(`/proc/sys/${key}`, 'w');
      try {
        writeSync(file, value);
      } finally {
        closeSync(file);
      }
    });
  }

  #changing(path: string, change: () => void): void {
    try {
      change();
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      throw new BeelineError('HOST_UNWRITABLE', `cannot write ${path}: ${REASONS[code] ?? message}`, {
        hint: `What was done before is recorded: run the command again when this is mended, or "${this.#undo}".`,
        cause: error,
      });
    }
  }
}

/** Where a file's next text is until it is whole. Programs pass over names that begin with a dot. */
function nextOf(place: string): string {
  return join(dirname(place), `.${basename(place)}.beeline`);
}

/** Without it, a loss of power can take a new name away again. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Node.js's own `recursive` says "no such file" of a read-only file system. */
function makeFolder(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    makeFolder(dirname(path));
    mkdirSync(path);
    // Whatever the umask is: other users' services read files in /etc.
    chmodSync(path, 0o755);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EACCES: 'only root may',
  EPERM: 'only root may',
};

function missingTool(file: string, cause: Error): BeelineError {
  return new BeelineError('HOST_TOOL', `${file} is not installed`, {
    hint: `Install the package ${PACKAGES[file] ?? file}, or choose another method.`,
    cause,
  });
}

/** The host, or what stands for it in a test. */
export type Machine = Pick<Host, keyof Host>;

/** What only looks at a machine needs. */
export type MachineToLookAt = Pick<
  Host,
  'boot' | 'run' | 'listing' | 'read' | 'readText' | 'kernelFile' | 'names' | 'sysctl'
>;
