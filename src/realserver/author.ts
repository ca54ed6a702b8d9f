/** By which commands the files of `beeline realserver` are known again. Pure. */

import type { Author } from '../steps/index.js';

export const AUTHOR: Author = { makes: 'beeline realserver setup', undoes: 'beeline realserver remove' };
