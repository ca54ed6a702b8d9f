/** Asks keepalived, if it is installed, whether it takes what "beeline keepalived write" would write. */

import { BeelineError, type Instance, type Model, type Warning } from '../model/index.js';

/** How long that may take: the rest of the check is done at once. */
const MOST_MS = 5_000;

export async function keepalivedWarnings(model: Model, instance: Instance): Promise<Warning[]> {
  if (model.vrrp === undefined) {
    return [];
  }
  const { keepalivedConf, validateConf } = await import('../fleet/index.js');
  try {
    const { problems } = await validateConf(keepalivedConf(model, instance, 'whole'), MOST_MS);
    return problems.map((problem) => ({
      code: 'KEEPALIVED_OBJECTS',
      message: `keepalived says of the configuration that "beeline keepalived write" makes: ${problem}`,
      remedy: '"beeline keepalived write --print" shows it; change "vrrp" accordingly',
    }));
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'VRRP_UNSET') {
      return [{ code: 'KEEPALIVED_OBJECTS', message: error.message, remedy: error.hint ?? '' }];
    }
    throw error;
  }
}
