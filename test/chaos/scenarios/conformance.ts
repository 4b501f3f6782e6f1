/** How Weir, nginx and HAProxy read HTTP/1.1 that is odd, broken or hostile. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../../helpers/need.js';
import {
  buildGrid,
  type GridTotals,
  PROXIES,
  runChain,
  runRival,
  runWeir,
} from '../conformance-grid.js';
import { atLeast, atMost, type Figure, type Outcome, type Scenario, told } from '../scenario.js';

const ABOUT = `222 requests that are odd, broken or hostile, each sent raw on a connection of its own with a harmless one
behind it, through Weir, nginx and HAProxy in front of the same echo, whose parser is Node's. The table of all of them is
in [conformance.md](conformance.md).`;

export const conformance: Scenario = {
  name: 'conformance',
  title: 'HTTP/1.1 conformance beside nginx and HAProxy',
  about: ABOUT,
  longSeconds: 60,
  async run({ say }): Promise<Outcome> {
    say('Weir');
    const weir = await runWeir();
    for (const complaint of weir.complaints) say(`Weir: ${complaint}`);
    say('nginx');
    const nginx = await runRival('nginx');
    say('HAProxy');
    const haproxy = await runRival('haproxy');
    const chains: Figure[] = [];
    for (const chain of ['weir → nginx', 'haproxy → weir'] as const) {
      say(chain);
      const { totals } = await runChain(chain);
      chains.push(
        atMost(`requests smuggled through ${chain}`, totals.smuggled + totals.orphans, 0),
      );
    }
    const { version } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
      version: string;
    };
    const grid = buildGrid({ weir, nginx, haproxy }, `${version} on Node ${process.versions.node}`);
    const { totals } = grid;
    const figures: Figure[] = [
      atMost('requests smuggled through Weir', totals.weir.smuggled + totals.weir.orphans, 0),
      atMost('requests that hung at Weir', totals.weir.hung, 0),
      atMost('crashes and defects of Weir', totals.weir.crashed + weir.complaints.length, 0),
      ...chains,
      atLeast('Weir: as the RFC asks', totals.weir.pass, totals.nginx.pass),
      atMost('Weir: against the RFC', totals.weir.fail, totals.nginx.fail),
      told('Weir: not answered, but closed by a timer', String(totals.weir.late)),
      ...PROXIES.filter((name) => name !== 'weir').map((name) =>
        told(`${name} (${grid.versions[name]})`, describeTotals(totals[name])),
      ),
    ];
    return {
      figures,
      notes: [
        'A whole request that is not answered, but only closed by a timer after some 12 s, counts as lenient, never as asked. uWebSockets.js’s file for Node 24, which ships, does that with few malformed heads; the one for Node 20 with 27, which leaves Weir a score of 134.',
        'The bounds on what Weir does as the RFC asks, and against it, are what nginx does in the same run (P-34).',
      ],
      kept: { grid },
    };
  },
};

function describeTotals(totals: GridTotals): string {
  const { smuggled, hung, pass, lenient, fail } = totals;
  return `${smuggled} smuggled, ${hung} hung; ${pass} as asked, ${lenient} lenient, ${fail} against`;
}
