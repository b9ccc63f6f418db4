/** The page in a real browser, on a real daemon with a stream that is really blocked. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { Dcore, openDevice, Queue } from '@pedrera/thunk';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../exit.js';
import { runCli, startCli, temporaryDirectory } from '../testing/run-cli.js';

const EXECUTABLE = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap((name) => (process.env.PATH ?? '').split(path.delimiter).map((place) => path.join(place, name)))
  .find(isExecutable);

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A name of a program that tries to be more than a name. */
const HOSTILE = '<img src=x onerror="document.title=1">';

describe.skipIf(EXECUTABLE === undefined)(
  `the page${EXECUTABLE === undefined ? ' (not run: no chromium)' : ''}`,
  () => {
    const directory = temporaryDirectory();
    const at = ['--socket', path.join(directory.path, 'd.sock')];
    const socketPath = at[1] as string;
    const troubles: string[] = [];
    let server: ReturnType<typeof startCli>;
    let browser: Browser;
    let url: string;

    beforeAll(async () => {
      expect(await runCli(['start', '--devices', '2', ...at])).toMatchObject({ code: EXIT.ok });
      server = startCli(['web', '--json', ...at]);
      ({ url } = JSON.parse(await server.outputMatching(/\n/)) as { url: string });
      // Chromium's own sandbox does not start for root, nor in most containers.
      browser = await chromium.launch({ executablePath: EXECUTABLE as string, args: ['--no-sandbox'] });
    });

    afterAll(async () => {
      await browser.close();
      server.child.kill('SIGINT');
      expect(await server.finished).toMatchObject({ code: EXIT.ok, err: '' });
      expect(JSON.parse((await runCli(['status', '--json', ...at])).out)).toMatchObject({ objects: {} });
      expect(await runCli(['stop', ...at])).toMatchObject({ code: EXIT.ok });
      directory[Symbol.dispose]();
    });

    async function openPage(viewport: { width: number; height: number }): Promise<Page> {
      const page = await browser.newPage({ viewport });
      page.on('console', (message) => troubles.push(`${message.type()}: ${message.text()}`));
      page.on('pageerror', (error) => troubles.push(String(error)));
      page.on('request', (request) => {
        if (!request.url().startsWith(url)) troubles.push(`a request to ${request.url()}`);
      });
      page.on('requestfailed', (request) => troubles.push(`${request.url()} failed`));
      await page.goto(url);
      return page;
    }

    it('shows a blocked queue, says why, and follows what happens', async () => {
      const page = await openPage({ width: 1280, height: 800 });
      await page.locator('#status[data-state=live]').waitFor();
      await page.locator('#devices .card').nth(1).waitFor();
      await page.getByText('Nobody has a device open.').waitFor();

      const device = await openDevice(1, { socketPath, program: HOSTILE });
      const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 2, monitors: 1 });
      const [object, monitor] = [lease.object(1), lease.monitor(0)];
      const packets = await device.createCommandBuffer();
      packets.waitFor({ syncObject: object, monitor, value: 5, queue: Queue.DMA_1_2, fence: 3 });
      const work = await device.submit({ queue: Queue.DMA_1_2, cb: packets });
      const memory = await device.allocHbm(3 * 2 ** 20);
      const shared = await device.exportDmaBuf(memory);

      const row = page.locator('#queues tr.blocked');
      await row.waitFor();
      expect(await row.textContent()).toContain(`${process.pid} ${HOSTILE}`);
      expect(await row.textContent()).toContain(`SOB E_N ${object.index} >= 5, now 0`);
      await page.locator('#clients tr', { hasText: HOSTILE }).waitFor();
      await page.locator('#memory .owners li', { hasText: HOSTILE }).waitFor();
      await page.locator('#buffers .buffer').waitFor();
      await page.locator('#events li', { hasText: HOSTILE }).waitFor();
      await page.locator('#engines li', { hasText: 'hl1 DMA1' }).waitFor();
      expect(await page.title()).toBe('(1) Pedrera');
      expect(await page.locator('img').count()).toBe(0);

      // With the keyboard alone.
      await row.getByRole('button').focus();
      await page.keyboard.press('Enter');
      const answer = page.locator('#why-text');
      await answer.getByText(`needs 1, has 0`).waitFor();
      expect(await answer.textContent()).toContain(`SOB E_N ${object.index}`);
      await page.keyboard.press('Escape');
      await answer.waitFor({ state: 'hidden' });
      // And with the mouse, anywhere in the row.
      await row.locator('.state').click();
      await answer.getByText('look next:').waitFor();
      await page.getByRole('button', { name: 'Close' }).click();

      const release = await device.createCommandBuffer();
      release.signal(object, 5);
      await device.submit({ queue: Queue.DMA_0_0, cb: release });
      await work.wait();
      await page.locator('#queues tr.blocked').waitFor({ state: 'detached' });
      await page.locator('#queues tr.idle', { hasText: 'DMA_1_2' }).waitFor();
      await shared.close();
      await device.close();
      await page.getByText('Nobody has a device open.').waitFor();
      await page.close();
      expect(troubles).toEqual([]);
    });

    it('fits a narrow window, and shows one device when asked to', async () => {
      const page = await openPage({ width: 400, height: 800 });
      await page.locator('#status[data-state=live]').waitFor();
      await page.locator('#memory > li').nth(1).waitFor();
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      expect(wide).toBe(400);
      await page.locator('#device').selectOption('1');
      await page.locator('#memory > li').nth(1).waitFor({ state: 'detached' });
      expect(await page.locator('#memory > li').textContent()).toContain('hl1');
      await page.close();
      expect(troubles).toEqual([]);
    });
  },
);
