/** The shapes of values that several files of the daemon have. */

import { z } from 'zod';

import { type IpAddress, isIp } from '../model/index.js';

/** In the one spelling by which addresses are compared. */
export const addressSchema = z.custom<IpAddress>((value) => typeof value === 'string' && isIp(value));

export const count = z.int().min(0);
