/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/child.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define NOBODY 65534

static bool env_number(const char *name, unsigned long *ret)
{
	const char *text = getenv(name);
	char *end;

	if (!text || !*text)
		return false;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	return !errno && !*end && *ret < UINT32_MAX;
}

void child_invoker(uid_t *ret_uid, gid_t *ret_gid)
{
	unsigned long uid, gid;

	*ret_uid = geteuid();
	*ret_gid = getegid();
	if (geteuid() == 0 && env_number("SUDO_UID", &uid) && env_number("SUDO_GID", &gid)) {
		*ret_uid = (uid_t)uid;
		*ret_gid = (gid_t)gid;
	}
}

int child_become_invoker(void)
{
	const struct passwd *pw;
	uid_t uid;
	gid_t gid;

	child_invoker(&uid, &gid);
	if (uid == geteuid())
		return 0;
	pw = getpwuid(uid);
	if (pw ? initgroups(pw->pw_name, gid) < 0 : setgroups(0, NULL) < 0)
		return errno;
	if (setgid(gid) < 0 || setuid(uid) < 0)
		return errno;
	if (pw) {
		(void)setenv("HOME", pw->pw_dir, 1);
		(void)setenv("USER", pw->pw_name, 1);
		(void)setenv("LOGNAME", pw->pw_name, 1);
	}
	return 0;
}

int child_give_up_root(bool nobody, struct err *err)
{
	uid_t uid;
	gid_t gid;
	int r;

	child_invoker(&uid, &gid);
	if (!uid && nobody) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			return err_errno(err, errno, "cannot give up root");
		return 0;
	}
	r = child_become_invoker();
	return r ? err_errno(err, r, "cannot become the user who called sudo") : 0;
}

/* What the recorder handles or ignores is as the caller of the recorder had it. */
static void signals_restore(uint64_t ignored)
{
	static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	size_t i;

	for (i = 0; i < ARRAY_LEN(handled); i++)
		(void)signal(handled[i], ignored >> handled[i] & 1 ? SIG_IGN : SIG_DFL);
}

static void __attribute__((noreturn)) child_main(int go, int failed, char *const *argv, bool as_root, uint64_t ignored)
{
	int code = 0;
	char byte;

	signals_restore(ignored);
	if (read(go, &byte, 1) != 1)
		_exit(0); /* the recorder gave up */
	if (!as_root)
		code = child_become_invoker();
	if (!code) {
		(void)execvp(argv[0], argv);
		code = errno;
	}
	(void)!write(failed, &code, sizeof(code));
	_exit(127);
}

int child_start(struct child *c, char *const *argv, bool as_root, uint64_t ignored, struct err *err)
{
	int go[2] = { -1, -1 }, failed[2] = { -1, -1 };

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(failed, O_CLOEXEC) < 0)
		return err_errno(err, errno, "cannot make a pipe");
	c->name = argv[0];
	c->pid = fork();
	if (c->pid < 0)
		return err_errno(err, errno, "cannot fork");
	if (c->pid == 0) {
		(void)close(go[1]);
		child_main(go[0], failed[1], argv, as_root, ignored);
	}
	(void)close(go[0]);
	(void)close(failed[1]);
	c->go = go[1];
	c->failed = failed[0];
	return 0;
}

int child_release(struct child *c, struct err *err)
{
	int code = 0;

	if (write(c->go, "x", 1) != 1)
		return err_errno(err, errno, "cannot start the command");
	(void)close(TAKE_FD(c->go));
	if (read(c->failed, &code, sizeof(code)) == (ssize_t)sizeof(code))
		return err_errno(err, code, "cannot run '%s'", c->name);
	return 0;
}

bool child_ended(struct child *c)
{
	if (!c->done && c->pid > 0 && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->done = true;
	return c->done;
}

void child_stop(struct child *c)
{
	if (c->pid > 0 && !c->done)
		(void)kill(c->pid, SIGTERM);
}

void child_end(struct child *c)
{
	bool started = c->go < 0;

	if (c->go >= 0)
		(void)close(TAKE_FD(c->go));
	if (c->failed >= 0)
		(void)close(TAKE_FD(c->failed));
	/* one that still waits for its start ends by itself, as its pipe is closed */
	if (c->pid > 0 && !c->done && !started && waitpid(c->pid, &c->status, 0) == c->pid)
		c->done = true;
}

int child_exit_code(const struct child *c)
{
	if (!c->done)
		return 0;
	return WIFSIGNALED(c->status) ? 128 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
}
