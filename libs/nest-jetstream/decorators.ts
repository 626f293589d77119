import 'reflect-metadata';
import type { DescMessage } from '@bufbuild/protobuf';
import { Catch, type ExceptionFilter, UseFilters } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { throwError } from 'rxjs';
import { type EventType, type IngressKind, subjects } from '#libs/contracts/index.js';

/** What a handler is for; travels from its decorator to the strategy. */
export type Binding =
  | { readonly kind: 'event'; readonly type: EventType }
  | { readonly kind: 'ingress'; readonly report: IngressKind }
  | { readonly kind: 'command'; readonly subject: string; readonly request: DescMessage }
  | {
      readonly kind: 'request';
      readonly subject: string;
      readonly request: DescMessage;
      readonly reply: DescMessage;
    };

type Method = (target: object, key: string, descriptor: PropertyDescriptor) => void;

/**
 * `(event: RecordedEvent<T>) => Promise<void>`: called for each such event of the log, from its
 * beginning; again after a throw and after a crash, so the method must be idempotent. One
 * aggregate's events come in order. A method may carry several.
 */
export function OnEvent(type: EventType): Method {
  return bind(onEvent, `event:${type}`, { kind: 'event', type });
}

/** `(report: SignedReport) => Promise<void>`: leaders' reports, delivered as events are. */
export function OnIngress(report: IngressKind): Method {
  return bind(onEvent, `ingress:${report}`, { kind: 'ingress', report });
}

/**
 * `(command, caller: Caller) => Promise<{id, sequence}>`: one replica answers. A `DomainError` goes
 * back to the caller with its name, message and remedy.
 */
export function OnCommand(service: string, name: string, request: DescMessage): Method {
  const subject = subjects.command(service, name);
  return bind(onMessage, subject, { kind: 'command', subject, request });
}

/** `(request, caller: Caller) => Promise<reply init>`: queries and agents' requests. */
export function OnRequest(subject: string, request: DescMessage, reply: DescMessage): Method {
  return bind(onMessage, subject, { kind: 'request', subject, request, reply });
}

/** The bindings of a handler by its pattern, as Nest hands them to the strategy. */
export type Bindings = Readonly<Record<string, Binding>>;

type PatternDecorator = (patterns: string[], extras: Bindings) => MethodDecorator;
const onEvent: PatternDecorator = (patterns, extras) => EventPattern<string[]>(patterns, extras);
const onMessage: PatternDecorator = (patterns, extras) =>
  MessagePattern<string[]>(patterns, extras);

const patternsKey = Symbol('patterns');

function bind(decorate: PatternDecorator, pattern: string, binding: Binding): Method {
  return (target, key, descriptor) => {
    const method = descriptor.value;
    const patterns = [...(Reflect.getMetadata(patternsKey, method) ?? []), pattern];
    Reflect.defineMetadata(patternsKey, patterns, method);
    Payload()(target, key, 0);
    Ctx()(target, key, 1);
    if (patterns.length === 1) UseFilters(ErrorsAsTheyAre)(target, key, descriptor);
    decorate(patterns, { [pattern]: binding })(target, key, descriptor);
  };
}

/** Nest would replace what a handler throws by "Internal server error". */
@Catch()
class ErrorsAsTheyAre implements ExceptionFilter {
  catch(error: unknown) {
    return throwError(() => error);
  }
}
