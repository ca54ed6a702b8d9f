/** Finds the programs and files that health checks and hooks need, and that this host does not have. */

import { type Stats, statSync } from 'node:fs';

import { allServices, type Check, type Model, serviceName, type Warning } from '../model/index.js';

/** A file that something needs. */
interface Need {
  readonly path: string;
  readonly kind: 'program' | 'file';
  /** Begins the message: "tcp 192.168.1.100:80". */
  readonly subject: string;
  readonly service?: string;
  /** What happens without it. */
  readonly effect: string;
}

/**
 * Returns a warning for each file that is missing, or is no program. The configuration may be for another host: it is no
 * mistake. Files that this user may not look at are taken for right.
 */
export function missingFiles(model: Model): Warning[] {
  const needs = new Map([...ofChecks(model), ...ofHooks(model)].map((need) => [`${need.path} ${need.kind}`, need]));
  return [...needs.values()].flatMap((need) => {
    const lack = lackOf(need);
    const { path, subject, service, effect } = need;
    return lack === undefined
      ? []
      : [
          {
            code: 'CHECK_FILE_MISSING',
            ...(service !== undefined && { service }),
            message: `${subject}: ${path} ${lack}, so that ${effect}`,
            remedy: 'install it on the director, or mend the path',
          },
        ];
  });
}

function ofChecks(model: Model): Need[] {
  return allServices(model).flatMap((each) => {
    const lists = [each.health?.checks, ...each.destinations.map(({ health }) => health?.checks)];
    const service = serviceName(each);
    return lists.flatMap((checks = []) =>
      checks.flatMap(needsOfCheck).map((need) => ({ ...need, subject: service, service })),
    );
  });
}

function needsOfCheck(check: Check): Pick<Need, 'path' | 'kind' | 'effect'>[] {
  const [program] = 'command' in check ? (check.command ?? []) : [];
  if (program !== undefined) {
    const effect = check.type === 'agent' ? 'the agent is not asked' : 'the check cannot be made';
    return [{ path: program, kind: 'program', effect }];
  }
  const ca = 'ca' in check ? check.ca : undefined;
  return ca === undefined ? [] : [{ path: ca, kind: 'file', effect: 'the check cannot be made' }];
}

function ofHooks({ health }: Model): Need[] {
  return (health?.hooks ?? []).flatMap(({ command: [program] = [], secretFile }, i): Need[] => {
    const subject = `health.hooks[${i}]`;
    return [
      ...(program === undefined
        ? []
        : [{ path: program, kind: 'program' as const, subject, effect: 'nobody is told' }]),
      ...(secretFile === undefined
        ? []
        : [{ path: secretFile, kind: 'file' as const, subject, effect: 'nothing can be signed' }]),
    ];
  });
}

function lackOf({ path, kind }: Need): string | undefined {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : undefined;
  }
  if (kind === 'program') {
    return stats.isFile() && (stats.mode & 0o111) !== 0 ? undefined : 'is no program';
  }
  return stats.isDirectory() ? 'is a folder' : undefined;
}
