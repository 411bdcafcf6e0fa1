import type { Case } from '../kit.ts';

export const pictures: readonly Case[] = [];
