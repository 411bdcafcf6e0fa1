/** All text, all languages: together they are smaller than one icon font, and switching needs no waiting. */

import deCertificates from './de/certificates.json' with { type: 'json' };
import deCommon from './de/common.json' with { type: 'json' };
import deConnect from './de/connect.json' with { type: 'json' };
import deHelper from './de/helper.json' with { type: 'json' };
import deLog from './de/log.json' with { type: 'json' };
import deProfiles from './de/profiles.json' with { type: 'json' };
import deReasons from './de/reasons.json' with { type: 'json' };
import deSettings from './de/settings.json' with { type: 'json' };
import deStatistics from './de/statistics.json' with { type: 'json' };
import enCertificates from './en/certificates.json' with { type: 'json' };
import enCommon from './en/common.json' with { type: 'json' };
import enConnect from './en/connect.json' with { type: 'json' };
import enHelper from './en/helper.json' with { type: 'json' };
import enLog from './en/log.json' with { type: 'json' };
import enProfiles from './en/profiles.json' with { type: 'json' };
import enReasons from './en/reasons.json' with { type: 'json' };
import enSettings from './en/settings.json' with { type: 'json' };
import enStatistics from './en/statistics.json' with { type: 'json' };
import koCertificates from './ko/certificates.json' with { type: 'json' };
import koCommon from './ko/common.json' with { type: 'json' };
import koConnect from './ko/connect.json' with { type: 'json' };
import koHelper from './ko/helper.json' with { type: 'json' };
import koLog from './ko/log.json' with { type: 'json' };
import koProfiles from './ko/profiles.json' with { type: 'json' };
import koReasons from './ko/reasons.json' with { type: 'json' };
import koSettings from './ko/settings.json' with { type: 'json' };
import koStatistics from './ko/statistics.json' with { type: 'json' };

export const resources = {
  en: {
    common: enCommon,
    connect: enConnect,
    settings: enSettings,
    helper: enHelper,
    profiles: enProfiles,
    certificates: enCertificates,
    statistics: enStatistics,
    log: enLog,
    reasons: enReasons,
  },
  ko: {
    common: koCommon,
    connect: koConnect,
    settings: koSettings,
    helper: koHelper,
    profiles: koProfiles,
    certificates: koCertificates,
    statistics: koStatistics,
    log: koLog,
    reasons: koReasons,
  },
  de: {
    common: deCommon,
    connect: deConnect,
    settings: deSettings,
    helper: deHelper,
    profiles: deProfiles,
    certificates: deCertificates,
    statistics: deStatistics,
    log: deLog,
    reasons: deReasons,
  },
} as const;
