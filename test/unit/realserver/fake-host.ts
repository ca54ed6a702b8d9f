/** The simulated host, with tables of nft by the wishes that made them. */

import { planOf } from '../../../src/realserver/plan.js';
import type { Wish } from '../../../src/realserver/wish.js';
import { FakeHost as SimulatedHost, type State } from '../../support/fake-host.js';

export { freshState, interrupted, type State, Stopped } from '../../support/fake-host.js';

export class FakeHost extends SimulatedHost {
  constructor(state: State, wishes: readonly Wish[]) {
    super(state, wishes.flatMap(planOf));
  }
}
