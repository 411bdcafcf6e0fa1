import type { Case } from '../kit.ts';

export const settings: readonly Case[] = [];
