/** From results to states, and who is told of what changed. */

import type { Advice } from '../advice.js';
import { judge } from '../judge.js';
import type { Outcome } from '../outcome.js';
import type { SlowResult } from '../slow/slow.js';
import type { ServerHealth } from '../states.js';
import type { Transition } from './events.js';
import type { Changes } from './roster.js';
import { isAdviser, isSameAdvice, type Server, type Watch } from './servers.js';

export interface VerdictOptions {
  readonly clock: () => number;
  readonly onChange: (changed: readonly ServerHealth[]) => void;
  readonly onTransition: (transition: Transition) => void;
  readonly onTrouble: (message: string, details: object) => void;
}

export class Verdicts {
  readonly #options: VerdictOptions;
  readonly #changed = new Set<Server>();

  constructor(options: VerdictOptions) {
    this.#options = options;
  }

  judge(watch: Watch, outcome: Outcome): void {
    this.setTrouble(watch, undefined);
    if (watch.confirm(outcome)) {
      return;
    }
    const { server, planned, state: before } = watch;
    if (isAdviser(planned)) {
      watch.state = { ...before, last: outcome };
      return;
    }
    const now = this.#options.clock();
    const state = judge(before, outcome, planned.judging, now);
    watch.state = state;
    if (state.isUp === before.isUp) {
      return;
    }
    const { service, address } = server;
    const { label } = planned;
    const { isUp, heldSince } = state;
    // Before anybody is told, who might have another model followed at once.
    const isChanged = server.update(now);
    if (isChanged) {
      this.#changed.add(server);
    }
    this.#tellOf({ kind: 'check', service, address, label, isUp, outcome, damped: heldSince !== undefined });
    if (isChanged) {
      this.#tellOf({ kind: 'server', service, address, isUp: server.health.isUp, check: label, outcome });
    }
  }

  /** Takes what Node.js found. */
  judgeSlow(watch: Watch, { outcome, advice, warning, trouble }: SlowResult): void {
    this.setTrouble(watch, trouble);
    if (outcome !== undefined) {
      this.judge(watch, outcome);
    }
    if (trouble !== undefined) {
      return;
    }
    const { service, address } = watch.server;
    const { label } = watch.planned;
    if (watch.warning !== warning) {
      watch.warning = warning;
      this.#tellOf({ kind: 'warning', service, address, label, warning });
    }
    if (isAdviser(watch.planned)) {
      this.#advise(watch, advice);
    }
  }

  /** While an agent is in trouble, the last advice holds. */
  #advise(watch: Watch, advice: Advice | undefined): void {
    const before = watch.advice;
    watch.advice = advice;
    if (isSameAdvice(before, advice)) {
      return;
    }
    const { server, planned } = watch;
    const { service, address } = server;
    if (server.update(this.#options.clock())) {
      this.#changed.add(server);
    }
    this.#tellOf({ kind: 'advice', service, address, label: planned.label, advice });
  }

  /** Tells what another model made of real servers. Packets follow that model anyway. */
  tellFollowed({ turned, removed, revived, lost }: Pick<Changes, 'turned' | 'removed' | 'revived' | 'lost'>): void {
    for (const watch of removed) {
      this.#tellRemoved(watch);
    }
    for (const { service, address } of lost) {
      this.#tellOf({ kind: 'server-removed', service, address });
    }
    for (const watch of revived) {
      this.#tellRevived(watch);
    }
    for (const { server, isUp, reason } of turned) {
      const { service, address } = server;
      this.#tellOf({ kind: 'server', service, address, isUp, reason });
    }
  }

  /** What was told of a check is over. */
  #tellRemoved(watch: Watch): void {
    const { service, address } = watch.server;
    const of = { service, address, label: watch.planned.label };
    if (watch.isTroubleTold) {
      this.#tellOf({ kind: 'trouble', ...of, trouble: undefined, isRemoved: true });
    }
    if (watch.warning !== undefined) {
      this.#tellOf({ kind: 'warning', ...of, warning: undefined, isRemoved: true });
    }
    if (watch.advice !== undefined) {
      this.#tellOf({ kind: 'advice', ...of, advice: undefined });
    }
    if (isDown(watch)) {
      this.#tellOf({ kind: 'check-removed', ...of });
    }
    // They are found again if it comes back.
    watch.trouble = undefined;
    watch.isTroubleTold = false;
    watch.warning = undefined;
  }

  /** It goes on with what was known. */
  #tellRevived(watch: Watch): void {
    const { service, address } = watch.server;
    const of = { service, address, label: watch.planned.label };
    const { last, heldSince } = watch.state;
    if (watch.advice !== undefined) {
      this.#tellOf({ kind: 'advice', ...of, advice: watch.advice });
    }
    if (last !== undefined && isDown(watch)) {
      this.#tellOf({ kind: 'check', ...of, isUp: false, outcome: last, damped: heldSince !== undefined });
    }
  }

  /** @param isCommon the same for many checks: it is told elsewhere, once */
  setTrouble(watch: Watch, trouble: string | undefined, isCommon = false): void {
    if (watch.trouble === trouble) {
      return;
    }
    const isTold = watch.isTroubleTold;
    watch.trouble = trouble;
    watch.isTroubleTold = trouble !== undefined && !isCommon;
    if (watch.isTroubleTold || isTold) {
      const { service, address } = watch.server;
      const told = watch.isTroubleTold ? trouble : undefined;
      this.#tellOf({ kind: 'trouble', service, address, label: watch.planned.label, trouble: told });
    }
  }

  /** Tells of all that changed since the last call. To call at the end of each batch of results. */
  tell(): void {
    if (this.#changed.size === 0) {
      return;
    }
    const changed = [...this.#changed].map(({ health }) => health);
    this.#changed.clear();
    this.#guard(() => {
      this.#options.onChange(changed);
    });
  }

  #tellOf(transition: Transition): void {
    this.#guard(() => {
      this.#options.onTransition(transition);
    });
  }

  /** Whoever is told must not keep the other results from being judged. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.onTrouble('a change of health could not be told', { error: String(error) });
    }
  }
}

/** It failed, and is not only assumed to be down. */
function isDown({ isUp, state }: Watch): boolean {
  return !isUp && state.last !== undefined;
}
