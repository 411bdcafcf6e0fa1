import type { Case } from '../kit.ts';

export const profiles: readonly Case[] = [];
