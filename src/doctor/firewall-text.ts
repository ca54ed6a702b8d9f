/** Rules of a firewall as text. */

import { type Drop, IMPLIED } from './firewall.js';

/** Returns a rule as nft would list it, as far as the doctor understands it. */
export function ruleText({ chain, rule }: Pick<Drop, 'chain' | 'rule'>): string {
  const place = `${chain.family} ${chain.table} ${chain.name}`;
  return rule === undefined
    ? `${place}: policy drop`
    : `${place}: ${rule.expressions.map(expressionText).filter(Boolean).join(' ')}`;
}

function expressionText(expression: Readonly<Record<string, unknown>>): string {
  const [name = ''] = Object.keys(expression);
  if (name === 'match') {
    const { op, left, right } = expression['match'] as { op: string; left: Record<string, unknown>; right: unknown };
    const { payload, meta, ct } = left as Readonly<Record<string, { protocol?: string; field?: string; key?: string }>>;
    const what =
      payload?.protocol !== undefined
        ? `${payload.protocol} ${payload.field}`
        : meta !== undefined
          ? `meta ${meta.key}`
          : ct !== undefined
            ? `ct ${ct.key}`
            : JSON.stringify(left);
    return what in IMPLIED.arp ? '' : `${what} ${op === '==' || op === 'in' ? '' : `${op} `}${valueText(right)}`;
  }
  if (name === 'xt') {
    const { type, name: module = '' } = expression['xt'] as { type?: string; name?: string };
    return type === 'target' ? module : `-m ${module}`;
  }
  return ['counter', 'log', 'comment'].includes(name) ? '' : name;
}

function valueText(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') {
    return String(value);
  }
  const { set, prefix, range } = (value ?? {}) as {
    set?: readonly unknown[];
    prefix?: { addr: string; len: number };
    range?: readonly unknown[];
  };
  const members = Array.isArray(value) ? (value as unknown[]) : set;
  return Array.isArray(members)
    ? `{ ${members.map(valueText).join(', ')} }`
    : prefix !== undefined
      ? `${prefix.addr}/${prefix.len}`
      : range !== undefined
        ? range.map(valueText).join('-')
        : JSON.stringify(value);
}
