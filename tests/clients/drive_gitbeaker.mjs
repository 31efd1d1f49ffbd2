// What people do with @gitbeaker/rest, one topic a run; what they get is printed as JSON.
// URL TOKEN TOPIC are the arguments; the folder in which it runs has to hold @gitbeaker/rest.

import { createHash } from 'node:crypto';
import { Gitlab } from '@gitbeaker/rest';

const [host, token, topic] = process.argv.slice(2);
const client = new Gitlab({ host, token });
const BIG = Buffer.alloc(256 * 4096, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));

const topics = {
  // Log in, in each way that the client has for a personal token.
  async identity() {
    const user = await client.Users.showCurrentUser();
    const bearer = new Gitlab({ host, oauthToken: token });
    const stranger = new Gitlab({ host, token: 'not-a-token' });
    return {
      user: [user.id, user.username, user.name, user.state],
      'with a bearer token': (await bearer.Users.showCurrentUser()).username,
      'wrong token': await errorOf(stranger.Users.showCurrentUser()),
      'wrong token, listing': await errorOf(stranger.Packages.all({ projectId: 100 })),
    };
  },

  // Find projects and groups.
  async places() {
    const project = await client.Projects.show('orchard/press/juice');
    const group = await client.Groups.show('orchard/press');
    return {
      project: [project.id, project.path_with_namespace, project.visibility],
      'project by id': (await client.Projects.show(project.id)).path_with_namespace,
      projects: (await client.Projects.all()).map((one) => one.path_with_namespace).sort(),
      'projects by keyset': (
        await client.Projects.all({ pagination: 'keyset', orderBy: 'id', sort: 'asc', perPage: 1 })
      ).map((one) => one.path_with_namespace),
      group: [group.id, group.full_path],
      'no project': await errorOf(client.Projects.show('orchard/nothing')),
      'no group': await errorOf(client.Groups.show('nothing')),
    };
  },

  // Page through many packages, in each way that the client has.
  async pages() {
    const projectId = 'cellar/cider';
    const expanded = await client.Packages.all({ projectId, page: 3, perPage: 100, showExpanded: true });
    const keyset = { pagination: 'keyset', orderBy: 'created_at', sort: 'asc', perPage: 100 };
    return {
      all: names(await client.Packages.all({ projectId })),
      'a hundred a page': names(await client.Packages.all({ projectId, perPage: 100 })),
      'two pages at most': names(await client.Packages.all({ projectId, perPage: 30, maxPages: 2 })),
      'the last page': names(expanded.data),
      'about the last page': expanded.paginationInfo,
      downwards: names(await client.Packages.all({ projectId, orderBy: 'name', sort: 'desc' })),
      'with keyset asked for': names(await client.Packages.all({ projectId, ...keyset })),
      'of the group': names(await client.Packages.all({ groupId: 'cellar', perPage: 30 })),
    };
  },

  // Narrow a listing down.
  async filters() {
    const found = async (wanted) =>
      (await client.Packages.all({ projectId: 101, ...wanted })).map((one) => `${one.name} ${one.version}`).sort();
    const npm = await client.Packages.all({ groupId: 'orchard', packageType: 'npm' });
    return {
      none: await found({}),
      type: await found({ packageType: 'npm' }),
      name: await found({ packageName: 'Press' }),
      version: await found({ packageName: 'press', packageVersion: '2.0' }),
      hidden: await found({ status: 'hidden' }),
      error: await found({ status: 'error' }),
      nothing: await found({ packageName: 'not there' }),
      'of the group': npm.map((one) => `${one.project_path} ${one.name}`),
      wrong: await errorOf(found({ status: 'bogus' })),
    };
  },

  // Look at one package and its files, with names as the client can turn them too.
  async reading() {
    const [listed] = await client.Packages.all({ projectId: 101, packageName: 'press', packageVersion: '2.0' });
    const shown = await client.Packages.show('orchard/press/juice', listed.id);
    const files = await client.Packages.allFiles(101, listed.id);
    const camel = await new Gitlab({ host, token, camelize: true }).Packages.allFiles(101, listed.id);
    return {
      package: [shown.name, shown.version, shown.package_type, shown.status],
      'other versions': shown.versions.map((one) => one.version),
      files: files.map((file) => [file.file_name, file.size, file.file_sha256]),
      'files in camel case': camel.map((file) => file.fileName),
      'no package': await errorOf(client.Packages.show(101, 999_999_999)),
    };
  },

  // Publish and download again. The client sends a form, and an upload is stored as it was sent.
  async uploading() {
    const place = ['orchard/apples', 'by-gitbeaker', '1.0.0'];
    const answer = await client.PackageRegistry.publish(...place, { content: new Blob([BIG]), filename: 'big.bin' });
    const [listed] = await client.Packages.all({ projectId: place[0], packageName: place[1] });
    const [file] = await client.Packages.allFiles(place[0], listed.id);
    const blob = await client.PackageRegistry.download(...place, 'big.bin');
    const bytes = Buffer.from(await blob.arrayBuffer());
    const digest = createHash('sha256');
    for await (const chunk of await client.PackageRegistry.download(...place, 'big.bin', { asStream: true })) {
      digest.update(chunk);
    }
    return {
      answer: answer.message,
      'holds what was sent': bytes.includes(BIG),
      'around it': bytes.length - BIG.length,
      file: [file.file_name, file.size === bytes.length],
      checksums: [file.file_sha256, createHash('sha256').update(bytes).digest('hex'), digest.digest('hex')],
      'no file': await errorOf(client.PackageRegistry.download(...place, 'not-there')),
    };
  },

  // Delete files and packages; each is gone at once.
  async deleting() {
    const [project, name] = ['orchard/apples', 'doomed-by-gitbeaker'];
    for (const filename of ['first.txt', 'second.txt']) {
      await client.PackageRegistry.publish(project, name, '1.0', { content: new Blob([filename]), filename });
    }
    const [listed] = await client.Packages.all({ projectId: project, packageName: name });
    const [first] = await client.Packages.allFiles(project, listed.id);
    await client.Packages.removeFile(project, listed.id, first.id);
    const again = await errorOf(client.Packages.removeFile(project, listed.id, first.id));
    const left = await client.Packages.allFiles(project, listed.id);
    const developer = new Gitlab({ host, token: 'demo-developer-token' });
    const refused = await errorOf(developer.Packages.remove(project, listed.id));
    const removed = await client.Packages.remove(project, listed.id, { showExpanded: true });
    return {
      'files left': left.map((file) => file.file_name),
      'file again': again,
      'without the right': refused,
      removed: removed.status,
      listed: names(await client.Packages.all({ projectId: project, packageName: name })),
      shown: await errorOf(client.Packages.show(project, listed.id)),
      files: await errorOf(client.Packages.allFiles(project, listed.id)),
      'package again': await errorOf(client.Packages.remove(project, listed.id)),
    };
  },
};

function names(packages) {
  return packages.map((one) => one.name);
}

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return [error.name, error.cause?.response?.status, error.message];
  }
  return [];
}

try {
  process.stdout.write(JSON.stringify(await topics[topic]()));
} catch (error) {
  // Without its cause, which is a page of the client's inside.
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
}
