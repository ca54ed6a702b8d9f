/** Counts the flows that a real server still has. */

import type { DataPlane } from '../../dataplane/index.js';
import type { IpAddress } from '../../model/index.js';
import type { FlowsLeft } from '../changes/drains.js';

export function flowsLeft(
  dataPlane: Pick<DataPlane, 'image' | 'flowCounts'>,
  service: string,
  address: IpAddress,
): FlowsLeft {
  const compiled = dataPlane.image?.services.find(({ name }) => name === service);
  const index = compiled?.destinations.findIndex((each) => each.address === address) ?? -1;
  const { active, inactive } = dataPlane.flowCounts().get(service)?.[index] ?? { active: 0, inactive: 0 };
  const uncertain = compiled?.tracks === false && compiled.previous?.includes(index) === true;
  return { flows: active + inactive, uncertain };
}
