/** How a thing looks, by what it means. */

export type Tone = 'plain' | 'ok' | 'working' | 'attention' | 'failed';

export type GateState = 'open' | 'closed' | 'moving';
