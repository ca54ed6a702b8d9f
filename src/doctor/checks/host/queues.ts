/** How frames are spread over CPUs: queues, the table that chooses among them, and the CPUs that their interrupts go to. */

import type { Check } from '../../check.js';
import type { CardFacts } from '../../facts-host.js';
import type { Finding, Mend } from '../../finding.js';

export const queuesFew: Check = {
  name: 'queues-few',
  about: 'network cards with fewer queues than they and the CPUs could have',
  reads: ['cards'],
  find: ({ cards = [] }) => cards.flatMap(few),
};

export const spreadUneven: Check = {
  name: 'spread-uneven',
  about: 'network cards whose hash sends all flows to some of their queues',
  reads: ['cards'],
  find: ({ cards = [] }) => cards.flatMap(uneven),
};

export const interruptsTogether: Check = {
  name: 'interrupts-together',
  about: 'network cards whose queues all have one CPU',
  reads: ['cards'],
  find: ({ cards = [] }) => cards.flatMap(together),
};

function few({ name, kind, driver, queues, cpus }: CardFacts): Finding[] {
  // Devices that are no hardware receive on the CPU that sends.
  if (kind !== '' || queues === undefined) {
    return [];
  }
  const useful = Math.min(cpus, receivingAtMost(driver, queues.most, cpus));
  return queues.now * 2 > useful
    ? []
    : [
        {
          check: 'queues-few',
          severity: 'warning',
          subject: name,
          text: `${name} has ${queues.now} of ${queues.most} queues for ${cpus} CPUs`,
          evidence: [`ethtool -l ${name}: ${queues.now}, at most ${queues.most}`],
          why: 'Each queue has one CPU: the others do not forward.',
          mend: [queueMend(name, useful)],
        },
      ];
}

/** How many queues can receive while a program sends by XDP_TX. Most drivers have other queues for that. */
function receivingAtMost(driver: string, most: number, cpus: number): number {
  switch (driver) {
    // One for each CPU beside those that receive, or they take turns at a lock (virtnet_xdp_set()).
    case 'virtio_net':
      return Math.max(1, most - cpus);
    // As many for sending as for receiving (ena_xdp_allowed(), gve_set_xdp()).
    case 'ena':
    case 'gve':
      return Math.max(1, Math.floor(most / 2));
    default:
      return most;
  }
}

function uneven({ name, spread, queues }: CardFacts): Finding[] {
  const used = new Set(spread);
  return queues === undefined || spread.length < queues.now || used.size >= queues.now
    ? []
    : [
        {
          check: 'spread-uneven',
          severity: 'warning',
          subject: name,
          text: `${name} has ${queues.now} queues, and its hash uses ${used.size} of them`,
          evidence: [`ethtool -x ${name}: queues ${[...used].join(', ')}`],
          why: 'The CPUs of the other queues do not forward.',
          mend: [{ on: 'director', command: `ethtool -X ${name} equal ${queues.now}` }],
        },
      ];
}

function together({ name, interrupts, cpus }: CardFacts): Finding[] {
  // Those that never came are not for queues, or their queues have nothing to do.
  const used = interrupts.filter(({ count }) => count > 0);
  const receiving = used.filter((each) => !/config|async|cmd|ctrl|mbx|misc|output|tx-\d+$/i.test(each.name));
  const [cpu, ...others] = new Set(receiving.flatMap((each) => each.cpus));
  return cpus < 2 || receiving.length < 2 || cpu === undefined || others.length > 0
    ? []
    : [
        {
          check: 'interrupts-together',
          severity: 'warning',
          subject: name,
          text: `all ${receiving.length} queues of ${name} have the CPU ${cpu}`,
          evidence: receiving.map(
            ({ number, name: word }) => `/proc/irq/${number}/smp_affinity_list (${word}): ${cpu}`,
          ),
          why: 'One CPU forwards everything, and the others nothing.',
          mend: [
            {
              on: 'director',
              command: receiving
                .map(({ number }, i) => `echo ${i % cpus} >/proc/irq/${number}/smp_affinity_list`)
                .join('; '),
            },
            { on: 'director', command: 'or let a program do that: apt-get install irqbalance' },
          ],
        },
      ];
}

function queueMend(name: string, count: number): Mend {
  return { on: 'director', command: `ethtool -L ${name} combined ${count}` };
}
