import type { Case } from '../kit.ts';

export const statistics: readonly Case[] = [];
