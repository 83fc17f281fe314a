import { Body, Controller, Post } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createLogger } from '#runtime';
import { ApiExceptionFilter } from './api-exception.filter.js';
import { fieldErrorsOf, validationPipe } from './validation.js';

const schema = z.object({ name: z.string('must be a string'), count: z.number('must be a number').default(1) });

@Controller('things')
class ThingController {
  @Post()
  create(@Body({ schema }) thing: z.output<typeof schema>): z.output<typeof schema> {
    return thing;
  }
}

describe('validation', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const testing = await Test.createTestingModule({ controllers: [ThingController] }).compile();
    app = testing.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
    app.useGlobalPipes(validationPipe);
    app.useGlobalFilters(new ApiExceptionFilter(createLogger('test', 'silent')));
    await app.init();
  });

  afterAll(() => app.close());

  it('hands over what the schema makes of a body, without unknown keys', async () => {
    const answer = await app.inject({ method: 'POST', url: '/things', payload: { name: 'a', other: true } });
    expect([answer.statusCode, answer.json()]).toEqual([201, { name: 'a', count: 1 }]);
  });

  it('names every field that is wrong', async () => {
    const answer = await app.inject({ method: 'POST', url: '/things', payload: { name: null, count: '2' } });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({
      status: 'validation_error',
      errors: { name: ['must be a string'], count: ['must be a number'] },
    });
  });

  it('names every key that a strict schema does not know, where it stands', () => {
    const strict = z.strictObject({ filter: z.strictObject({ a: z.string('must be a string') }) });
    const { error } = strict.safeParse({ filter: { a: 1, b: 2, c: 3 }, d: 4 });
    expect(fieldErrorsOf(error!.issues)).toEqual({
      'filter.a': ['must be a string'],
      'filter.b': ['is not known here'],
      'filter.c': ['is not known here'],
      d: ['is not known here'],
    });
  });
});
