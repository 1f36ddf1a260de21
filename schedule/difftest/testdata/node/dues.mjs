// Answers lines "AFTER\tCOUNT\tZONE\tCRONTAB" with the next due times after a
// Unix second, as Unix seconds, or with "! " and why not. The argument names
// the package that finds them.
import { createInterface } from 'node:readline';
import { CronExpressionParser } from 'cron-parser';
import { Cron } from 'croner';

const dues = {
  croner(crontab, zone, after, count) {
    return new Cron(crontab, { timezone: zone }).nextRuns(count, new Date(Number(after) * 1000));
  },
  'cron-parser'(crontab, zone, after, count) {
    const cron = CronExpressionParser.parse(crontab, { currentDate: new Date(Number(after) * 1000), tz: zone });
    const found = [];
    try {
      while (found.length < count) found.push(cron.next().toDate());
    } catch {
      // It has looked far enough.
    }
    return found;
  },
  // In place of AFTER stand many Unix seconds, and the answer is the offset from
  // UTC at each, in seconds.
  offsets(crontab, zone, instants) {
    const clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', calendar: 'gregory', year: 'numeric', month: 'numeric', day: 'numeric',
      hour: 'numeric', minute: 'numeric', second: 'numeric',
    });
    return instants.split(' ').map((instant) => {
      const part = Object.fromEntries(clock.formatToParts(new Date(instant * 1000)).map((p) => [p.type, p.value]));
      const shown = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
      return new Date(shown - instant * 1000);
    });
  },
}[process.argv[2]];

for await (const line of createInterface({ input: process.stdin })) {
  const [after, count, zone, crontab] = line.split('\t');
  let answer;
  try {
    answer = dues(crontab, zone, after, Number(count)).map((due) => due.getTime() / 1000).join(' ');
  } catch (err) {
    answer = `! ${err.message}`;
  }
  process.stdout.write(answer + '\n');
}
