import type { Case } from '../kit.ts';

export const firstRun: readonly Case[] = [];
