/** The limits that "beeline check" knows: those of "beeline run", no sooner and no later. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { limitProblem } from '../../../src/director/limits.js';
import { ip, type IpAddress, type Model, parseMarkMatch, type Service } from '../../../src/model/index.js';

function addresses(count: number): IpAddress[] {
  return Array.from({ length: count }, (_, i) => ip(`10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`));
}

function withServers(count: number, rest: Partial<Service> = {}): Model {
  const destinations = addresses(count).map((address) => ({ address, weight: 1 }));
  const service: Service = {
    address: ip('192.168.1.100'),
    port: 80,
    protocol: 'tcp',
    scheduler: 'rr',
    destinations,
    ...rest,
  };
  return { interfaces: ['ens3'], mode: 'native', services: [service] };
}

test('a service has room for 65,534 real servers, and not for one more', () => {
  assert.equal(limitProblem(withServers(65_534)), undefined);
  assert.match(
    limitProblem(withServers(65_535))!.message,
    /^tcp 192\.168\.1\.100:80 has 65535 real servers, more than 65534$/,
  );
  assert.match(limitProblem(withServers(65_536, { scheduler: 'mh' }))!.message, /65534/);
});

test('a scheduler with fewer slots than real servers is found', () => {
  assert.match(limitProblem(withServers(4_094, { scheduler: 'mh' }))!.message, /only 4093 slots/);
});

test('marks that stand for too many addresses and ports are found', () => {
  const markServices = [{ mark: 1, family: 4, scheduler: 'rr', destinations: [] }] as const;
  const rule = (text: string): Pick<Model, 'markRules'> => ({ markRules: [{ mark: 1, match: parseMarkMatch(text)! }] });
  const model: Model = { interfaces: ['ens3'], mode: 'native', services: [], markServices };
  assert.equal(limitProblem({ ...model, ...rule('tcp:192.168.0.0/17:*') }), undefined);
  // Each address of a mark takes a service's number.
  assert.match(limitProblem({ ...model, ...rule('tcp:192.168.0.0/16:*') })!.message, /65535 virtual services/);
  assert.match(limitProblem({ ...model, ...rule('tcp:192.168.0.0/15:*') })!.message, /65536 addresses and ports/);
});
