/** Converts VRRP to the plain values of the configuration file. Pure. */

import {
  DEFAULT_PRIORITY,
  DEFAULT_VRRP_INTERVAL,
  defaultInstanceName,
  type VrrpInstance,
  type VrrpSettings,
} from '../model/index.js';
import { type Mapping, mapping } from './value.js';

/** Returns the values without defaults. @param first the first of the director's interfaces */
export function vrrpOf({ routerName, instances }: VrrpSettings, first: string | undefined): Mapping {
  return mapping({ routerName, instances: instances.map((each) => instanceOf(each, first)) });
}

function instanceOf(instance: VrrpInstance, first: string | undefined): Mapping {
  const { name, interface: device, id, priority, interval, family, ...rest } = instance;
  return mapping({
    name: name === defaultInstanceName(instance) ? undefined : name,
    interface: device === first ? undefined : device,
    id,
    priority: priority === DEFAULT_PRIORITY ? undefined : priority,
    interval: interval === DEFAULT_VRRP_INTERVAL ? undefined : interval,
    family: family && `ipv${family}`,
    ...rest,
  });
}
