/** Edits of mark rules: adds and deletes the rules that give packets their marks. */

import { familyOf } from '../address.js';
import { BeelineError } from '../error.js';
import { healthBreaches, targetOf } from '../health-rules.js';
import { isSameRule, markMatchName, overlap } from '../mark.js';
import type { Model } from '../model.js';
import type { MarkRule } from '../service.js';
import { serviceName } from '../service-name.js';
import { checkMark, refused } from './checks.js';

export function addMarkRule(model: Model, rule: MarkRule): Model {
  checkMark(rule.mark);
  const rules = model.markRules ?? [];
  const other = rules.find(({ match }) => overlap(match, rule.match));
  if (other !== undefined) {
    const name = `${markMatchName(other.match)} (mark ${other.mark})`;
    throw isSameRule(other, rule)
      ? refused(`there is a rule ${name} already`, 'Nothing needs to be done.')
      : refused(
          `packets of ${markMatchName(rule.match)} would match ${name} too`,
          `Delete that one first: beeline mark delete ${other.mark} --match '${markMatchName(other.match)}'.`,
        );
  }
  const after = [...rules, rule];
  requireTargets(model, rule, after);
  return { ...model, markRules: after };
}

/** @throws BeelineError `EDIT_REFUSED` if health checks of the mark's service would no longer know where to go */
function requireTargets({ markServices = [] }: Model, { mark, match }: MarkRule, after: readonly MarkRule[]): void {
  const family = familyOf(match.address);
  const service = markServices.find((each) => each.mark === mark && each.family === family);
  if (service === undefined) {
    return;
  }
  const { health, destinations: realServers } = service;
  const target = targetOf(service, after);
  const [breach] = healthBreaches({ family, target, health, realServers, isVip: () => false });
  if (breach !== undefined) {
    throw refused(
      `${serviceName(service)} has health checks that go to one VIP and port: "${breach.path.join('.')}" ${breach.message}`,
      'Give the check "port", or "via: rip", in the configuration, and reload.',
    );
  }
}

export function deleteMarkRule(model: Model, rule: MarkRule): Model {
  const rules = model.markRules ?? [];
  const left = rules.filter((each) => !isSameRule(each, rule));
  if (left.length === rules.length) {
    throw noSuchRule(`there is no rule ${markMatchName(rule.match)} of mark ${rule.mark}`);
  }
  return { ...model, markRules: left };
}

export function clearMarkRules(model: Model, mark: number | undefined): Model {
  const rules = model.markRules ?? [];
  const left = mark === undefined ? [] : rules.filter((each) => each.mark !== mark);
  if (mark !== undefined && left.length === rules.length) {
    throw noSuchRule(`there is no rule of mark ${mark}`);
  }
  return { ...model, markRules: left };
}

function noSuchRule(message: string): BeelineError {
  return new BeelineError('NOT_FOUND', message, { hint: '"beeline mark list" lists them.' });
}
