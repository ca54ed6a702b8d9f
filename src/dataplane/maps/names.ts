/** The names of the director's maps, here and in the BPF object. */

/** By the names that they have here. */
export const MAP_NAMES = {
  services4: 'services4',
  services6: 'services6',
  destinations: 'destinations',
  egresses: 'egresses',
  nics: 'nics',
  policies: 'policies',
  candidates: 'candidates',
  flows4: 'flows4',
  flows6: 'flows6',
  flowCounters: 'flow_counters',
  flowQueries: 'flow_queries',
  loads: 'loads',
  cursors: 'cursors',
  fragments4: 'fragments4',
  fragments6: 'fragments6',
  answers: 'answers',
  destinationCounters: 'destination_counters',
  serviceVerdicts: 'service_verdicts',
  serviceIdentities: 'service_identities',
  destinationIdentities: 'destination_identities',
  control: '.data.control',
} as const;

export type MapKey = keyof typeof MAP_NAMES;
export const MAP_KEYS = Object.keys(MAP_NAMES) as MapKey[];

/** The map of interfaces to redirect to, of a type that cannot be mapped into memory. */
export const DEVICES_NAME = 'devices';

/** The ring buffer of fragments that came before their first one. */
export const EARLY_NAME = 'early_ring';

/** The array of the programs in which unusual packets go on; each loaded object has its own. */
export const PROGRAMS_NAME = 'programs';

/** The maps whose entries outlive the program, as long as their number stays the same. */
export const FLOW_TABLES = ['flows4', 'flows6'] as const;

/** The maps of one size, whose entries outlive the program: first fragments of packets that are on their way. */
export const FRAGMENT_TABLES = ['fragments4', 'fragments6'] as const;

/** The maps that count, in one row for each CPU. */
export const COUNTER_MAPS = ['destinationCounters', 'serviceVerdicts', 'flowCounters'] as const;

export function mapValues<Value>(make: (key: MapKey) => Value): Record<MapKey, Value> {
  return Object.fromEntries(MAP_KEYS.map((key) => [key, make(key)])) as Record<MapKey, Value>;
}
