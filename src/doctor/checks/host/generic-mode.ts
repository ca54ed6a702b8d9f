/** The program runs in generic mode although nobody asked for that. */

import type { Check } from '../../check.js';
import type { Facts } from '../../facts.js';
import type { CardFacts } from '../../facts-host.js';
import type { Finding, Mend } from '../../finding.js';

export const genericMode: Check = {
  name: 'generic-mode',
  about: 'interfaces whose driver refused native mode, so that XDP runs late in the kernel',
  reads: ['cards'],
  find: ({ director: { model, status, unattended }, cards = [] }) =>
    model.mode !== 'auto'
      ? []
      : ((status ?? unattended)?.interfaces ?? [])
          .filter(({ mode }) => mode === 'generic')
          .map((each) =>
            findingOf(
              each,
              cards.find(({ name }) => name === each.name),
            ),
          ),
};

type Report = NonNullable<Facts['director']['status']>['interfaces'][number];

function findingOf({ name, reason }: Report, card: CardFacts | undefined): Finding {
  const driver = card === undefined || card.driver === '' ? 'its driver' : `its driver ${card.driver}`;
  return {
    check: 'generic-mode',
    severity: 'warning',
    subject: name,
    text: `${name} runs the director in generic mode, because ${driver} refused native mode`,
    evidence: [reason ?? 'its mode is generic, and the configuration says "mode: auto"'],
    why: 'Forwarding costs about four times as much: the kernel makes a packet of its own of each frame before the program sees it.',
    mend: mendOf(name, card),
  };
}

function mendOf(name: string, card: CardFacts | undefined): Mend[] {
  const halved = Math.max(1, Math.floor((card?.queues?.now ?? 1) / 2));
  return [
    ...(card !== undefined && (card.queues?.now ?? 1) > 1
      ? [{ on: 'director' as const, command: `ethtool -L ${name} combined ${halved}` }]
      : []),
    { on: 'director', command: `ethtool -K ${name} lro off` },
    { on: 'director', command: 'systemctl restart beeline' },
    { on: 'configuration', command: 'mode: generic, if the driver has no native mode: this finding ends' },
  ];
}
