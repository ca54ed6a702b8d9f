/** By which commands the files of `beeline realserver` are known again. Pure. */

import type { FileOwner } from '../steps/index.js';

export const AUTHOR: FileOwner = {
  makes: 'beeline realserver setup',
  undoes: 'beeline realserver remove',
  fileName: 'beeline-realserver',
};
