/** Services whose real servers nobody checks. */

import { type AnyService, serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { balanced } from '../../services.js';
import { listOf } from '../../words.js';

const NAME = 'no-health-checks';

/** Who sets a director up tries it first. */
const TRIED_FOR_MS = 3_600_000;

export const noHealthChecks: Check = {
  name: NAME,
  about: 'services whose real servers nobody checks, once the daemon has run for an hour',
  reads: [],
  find: ({ director: { model, status } }) => {
    const { uptimeMs = 0, changes = 0 } = status ?? {};
    // Another program may check the real servers, and change weights by commands.
    if (status === undefined || uptimeMs < TRIED_FOR_MS || changes > 0) {
      return [];
    }
    const names = balanced(model).filter(isUnchecked).map(serviceName);
    const [subject] = names;
    if (subject === undefined) {
      return [];
    }
    const finding: Finding = {
      ...{ check: NAME, severity: 'note', subject },
      text: `nobody checks the real servers of ${listOf(names)}`,
      evidence: [
        `no "health" in the configuration of ${names.length === 1 ? 'the service' : `${names.length} services`}`,
        `the daemon has run for ${Math.floor(uptimeMs / 3_600_000)} h, and no command changed a weight`,
      ],
      why: 'A real server that fails keeps its share of all new connections, until somebody takes it out.',
      mend: [{ on: 'configuration', command: '"health: tcp", "health: http" or another check: see docs/health.md' }],
    };
    return [finding];
  },
};

function isUnchecked({ health, destinations }: AnyService): boolean {
  return (
    (health?.checks.length ?? 0) === 0 && destinations.every(({ health: own }) => (own?.checks?.length ?? 0) === 0)
  );
}
