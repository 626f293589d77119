import { Agent, get, type IncomingMessage } from 'node:http';
import { expect, test } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { closeApplication } from './close-application.js';

test('an application that closes answers what it was asked, and waits for no more', async () => {
  let asked: () => void = () => undefined;
  let answer: () => void = () => undefined;
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const mayAnswer = new Promise<void>((resolve) => {
    answer = resolve;
  });
  @Controller()
  class Slow {
    @Get()
    async get() {
      asked();
      await mayAnswer;
      return 'late';
    }
  }
  @Module({ controllers: [Slow] })
  class TestModule {}
  const app = await NestFactory.create(TestModule, new FastifyAdapter(), { logger: false });
  await app.listen(0, '127.0.0.1');
  const agent = new Agent({ keepAlive: true });
  const url = await app.getUrl();
  const answered = new Promise<IncomingMessage>((resolve) => get(url, { agent }, resolve));
  await isAsked;
  const closed = closeApplication(app, systemClock);
  answer();
  const response = await answered;
  expect(Buffer.concat(await response.toArray()).toString()).toBe('late');
  await closed;
  agent.destroy();
});
