/** Imports of keepalived's configuration without a disk: files by name. */

import { formatConfig } from '../../src/config/index.js';
import { type Files, type Imported, importKeepalived, type KeepalivedOptions } from '../../src/import/index.js';
import { BeelineError } from '../../src/model/index.js';

export const PORTS: KeepalivedOptions['names'] = {
  portOf: (service) => ({ http: 80, https: 443, domain: 53, smtp: 25 })[service],
};

/** @param contents by path; undefined: keepalived passes the file over */
export function filesOf(contents: Readonly<Record<string, string | Uint8Array | undefined>>): Files {
  return {
    list: (folder) => {
      const start = folder === '.' ? '' : folder.endsWith('/') ? folder : `${folder}/`;
      const names = Object.keys(contents).flatMap((path) =>
        path.startsWith(start) ? [path.slice(start.length).split('/', 1)[0]!] : [],
      );
      return names.length === 0 ? undefined : [...new Set(names)];
    },
    read: (path) => {
      if (!Object.hasOwn(contents, path)) {
        throw new BeelineError('CONFIG_UNREADABLE', `cannot read ${path}: no such file`);
      }
      const content = contents[path];
      return typeof content === 'string' ? Buffer.from(content) : content;
    },
  };
}

export interface Outcome extends Imported {
  /** "LINE kind: text", of lines that are not kept. */
  readonly said: readonly string[];
  readonly yaml: string;
}

/** Imports one text, or several files of which the first is the configuration. */
export function imported(
  content: string | Readonly<Record<string, string | Uint8Array | undefined>>,
  options: Partial<KeepalivedOptions> = {},
): Outcome {
  const contents = typeof content === 'string' ? { 'k.conf': content } : content;
  const result = importKeepalived({
    paths: [Object.keys(contents)[0]!],
    files: filesOf(contents),
    names: PORTS,
    id: 'lb1',
    ...options,
  });
  const said = result.remarks
    .filter(({ kind }) => kind !== 'kept')
    .map(
      ({ file, line, kind, text }) => `${file === Object.keys(contents)[0] ? '' : `${file!}:`}${line} ${kind}: ${text}`,
    );
  return { ...result, said, yaml: formatConfig(result.model) };
}

/** A virtual server with a real server, by the lines of both that matter. */
export function virtualServer(lines: string, realServer = '', port = '80'): string {
  return `virtual_server 192.168.1.100 ${port} {
lvs_method DR
lvs_sched wrr
protocol TCP
${lines}
real_server 192.168.1.31 ${port} {
${realServer}
}
}
`;
}
